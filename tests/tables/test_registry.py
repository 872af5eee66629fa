from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_tables import Content, make_content

from metanas import published
from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.files import sha256_of
from metanas.tables import Table, find_entry, load_table, open_table, register, registry, table_names, write_table
from metanas.tables.registry import read_registry


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty place for published content, the only one."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("METANAS_DATA", str(place))
    monkeypatch.setattr(published, "roots", lambda: (place,))
    return place


def publish(tmp_path: Path, name: str, **change: Any) -> Table:
    path = tmp_path / "built.h5"
    write_table(path, **make_content() | {"name": name} | change)
    return Table(register(path, f"# {name}\n").path)


def test_publish_and_load(tmp_path: Path, place: Path) -> None:
    assert table_names() == ()
    made = publish(tmp_path, "nb201/example-v1")
    assert made.path == place / "benchmark_data" / "nb201" / "example-v1.h5"
    assert (place / "benchmark_data" / "nb201" / "example-v1.md").read_text() == "# nb201/example-v1\n"
    entry = registry()["nb201/example-v1"]
    assert (entry.sha256, entry.bytes) == (sha256_of(made.path), made.path.stat().st_size)
    entry.verify()
    table = load_table("nb201/example-v1")
    assert table.query(int(table.archs[0]), "test/accuracy") == made.query(int(table.archs[0]), "test/accuracy")


def test_a_name_without_version_is_the_latest(tmp_path: Path, place: Path) -> None:
    for name in ("nb201/example-v2", "nb201/example-v10", "nb201/example-v9", "nb201/other-v11"):
        publish(tmp_path, name)
    assert load_table("nb201/example").name == "nb201/example-v10"
    assert find_entry("nb201/example-v2").name == "nb201/example-v2"
    with pytest.raises(UnknownNameError, match="Did you mean 'nb201/other-v11'"):
        load_table("nb201/othr-v11")


def test_a_published_name_keeps_its_content(tmp_path: Path, place: Path) -> None:
    first = publish(tmp_path, "nb201/example-v1").sha256
    assert publish(tmp_path, "nb201/example-v1").sha256 == first  # the same again
    with pytest.raises(InvalidValueError, match="published with another content"):
        publish(tmp_path, "nb201/example-v1", provenance={"another": "build"})
    assert find_entry("nb201/example-v1").sha256 == first
    other = register(tmp_path / "built.h5", "# card\n", replace=True)
    assert other.sha256 != first
    load_table("nb201/example-v1")


def test_an_earlier_place_hides_a_table(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "nb201/example-v1")
    publish(tmp_path, "nb201/late-v1")
    (tmp_path / "first").mkdir()
    monkeypatch.setenv("METANAS_DATA", str(tmp_path / "first"))
    mine = publish(tmp_path, "nb201/example-v1", provenance={"mine": True})
    monkeypatch.setattr(published, "roots", lambda: (tmp_path / "first", place))
    assert table_names() == ("nb201/example-v1", "nb201/late-v1")
    assert load_table("nb201/example-v1").sha256 == mine.sha256


def test_another_size_is_seen_at_once_and_another_byte_by_verify(tmp_path: Path, place: Path) -> None:
    path = publish(tmp_path, "nb201/example-v1").path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InvalidFileError, match="must have the published sha256"):
        find_entry("nb201/example-v1").verify()
    with pytest.raises(InvalidFileError, match="must have the published sha256"):
        open_table("nb201/example-v1", verify=True)
    path.write_bytes(data[:-1])
    with pytest.raises(InvalidFileError, match=rf"must have {len(data):,} bytes but has {len(data) - 1:,}"):
        load_table("nb201/example-v1")
    path.unlink()
    with pytest.raises(InvalidFileError, match="is not there"):
        load_table("nb201/example-v1")


def test_a_table_under_another_name(tmp_path: Path, place: Path) -> None:
    publish(tmp_path, "nb201/example-v1")
    index = place / "benchmark_data" / "registry.toml"
    index.write_text(index.read_text().replace('[tables."nb201/example-v1"]', '[tables."nb201/renamed-v1"]'))
    with pytest.raises(
        InvalidFileError, match="registered as 'nb201/renamed-v1' but says that it is 'nb201/example-v1'"
    ):
        load_table("nb201/renamed-v1")


def test_a_table_by_its_file(tmp_path: Path, content: Content) -> None:
    write_table(tmp_path / "mine.h5", **content)
    assert open_table(str(tmp_path / "mine.h5")).name == "nb201/example-v1"


SECTION = '[tables."nb201/a-v1"]\nfile = "a.h5"\nsha256 = "{}"\nbytes = 5\ncard = "a.md"\n'.format("0" * 64)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (SECTION + "licence = 'MIT'\n", "must have the fields file, sha256, bytes, card, but has: .*licence"),
        (SECTION.replace("bytes = 5\n", ""), "must have the fields"),
        (SECTION.replace("bytes = 5", "bytes = '5'"), "bytes of table 'nb201/a-v1' .* must be a int"),
        (SECTION.replace("0" * 64, "0" * 63), "64 hexadecimal digits"),
        (SECTION.replace("a.h5", "../a.h5"), "must lie in the registry's folder"),
        (SECTION.replace("a.h5", "/etc/a.h5"), "must lie in the registry's folder"),
        ('table."nb201/a-v1" = 1\n', r"sections \[tables"),
        ("tables = 3\n", r"sections \[tables"),
        ('tables."nb201/a-v1" = 1\n', "must have the fields"),
        ("[tables\n", "no readable TOML"),
    ],
)
def test_malformed_registries(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "registry.toml"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=match):
        read_registry(path)


def test_every_published_table_is_what_the_registry_says() -> None:
    entries = registry()
    for entry in entries.values():
        entry.verify()
        table = load_table(entry.name)
        assert table.sha256 == entry.sha256
        assert entry.card.read_text(encoding="utf-8").startswith(f"# {entry.name}\n")
    # ... and no table lies in the checkout that the registry does not know; scores are found by their task.
    found = {path for folder in published.folders("benchmark_data") for path in folder.rglob("*.h5")}
    assert {path for path in found if path.parent.name != "scores"} <= {entry.path for entry in entries.values()}
