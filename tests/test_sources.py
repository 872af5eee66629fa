from __future__ import annotations

from pathlib import Path

import pytest

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.sources import find_source, read_sources, sources

FILE = f'path = "a.bin"\nurl = "https://example.org/a.bin"\nsha256 = "{"0" * 64}"\nbytes = 3\n'
HEAD = 'title = "A"\nlicence = "MIT"\npage = "https://example.org"\n'


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return read_sources(path)


def test_every_published_source_says_how_it_is_had() -> None:
    assert len(sources()) >= 5
    for name, source in sources().items():
        assert source.name == name
        assert bool(source.files) != bool(source.how)
        assert source.page.startswith("https://")
        assert all(file.url.startswith("https://") for file in source.files), name


def test_the_sample_has_the_published_bytes(published_tables: Path) -> None:
    from metanas.files import sha256_of

    folder = published_tables / "natsbench-format" / "NATS-tss-v1_0-3ffb9-simple"
    for file in find_source("nats-bench-topology-sample").files:
        assert (folder / file.path).stat().st_size == file.bytes
        assert sha256_of(folder / file.path) == file.sha256


def test_an_unknown_name_says_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'nats-bench-topology'"):
        find_source("nats-bench-topolgy")


def test_a_register_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE}[sources.b]\n{HEAD}how = 'ask'\n")
    assert {name: len(source.files) for name, source in found.items()} == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[sources.a", "no readable TOML"),
        ("other = 1", "sections"),
        (f"[sources.A]\n{HEAD}how = 'ask'\n", "named with"),
        (f"[sources.a]\n{HEAD}", "either files"),
        (f"[sources.a]\n{HEAD}how = 'ask'\n[[sources.a.files]]\n{FILE}", "either files"),
        (f"[sources.a]\n{HEAD}how = 'ask'\nmirror = 'x'\n", "mirror"),
        ("[sources.a]\ntitle = 'A'\npage = 'p'\nhow = 'ask'\n", "'licence'"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE}[[sources.a.files]]\n{FILE}", "two files of the same path"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE.replace('https', 'file')}", "must begin with https://"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE.replace('a.bin', '../a.bin', 1)}", "lie in the source's"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE.replace('a.bin', '/a.bin', 1)}", "lie in the source's"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE.replace('000', 'xyz', 1)}", "64 hexadecimal digits"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE.replace('bytes = 3', 'bytes = -3')}", "and a size"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\n{FILE.replace('bytes = 3', 'bytes = true')}", "must be a int"),
        (f"[sources.a]\n{HEAD}[[sources.a.files]]\npath = 'a'\n", "must have the fields"),
    ],
)
def test_a_malformed_register_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(InvalidFileError, match=rule):
        read(tmp_path, text)
