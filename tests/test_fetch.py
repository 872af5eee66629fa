"""Against a server on this machine: nothing here leaves it."""

from __future__ import annotations

import hashlib
import multiprocessing
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from metanas import fetch as fetching
from metanas.errors import InvalidFileError, MetanasError
from metanas.fetch import fetch, home, is_here
from metanas.sources import RemoteFile, Source

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``cut`` makes it hang up after so many bytes, as often as ``cuts`` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.states_length = True
        self.cut: int | None = None
        self.cuts = 1
        self.statuses: list[int] = []  # answered before anything else
        self.asked: list[str | None] = []  # the range of each request
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error here."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            stated = self.headers.get("Range")
            server.asked.append(stated)
            status = server.statuses.pop(0) if server.statuses else 0
            cut = server.cut if server.cuts > 0 else None
            server.cuts -= 1
        if status:
            self.send_error(status)
            return
        start = int(stated.removeprefix("bytes=").removesuffix("-")) if stated and server.ranges else 0
        if start >= len(server.content) > 0:
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        if server.states_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def source_at(url: str, *, sha256: str = SHA256, size: int = len(CONTENT), path: str = "file.bin") -> Source:
    return Source("made", "A made source", "MIT", "https://example.org", "", "", (RemoteFile(path, url, sha256, size),))


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def partial_of(folder: Path) -> Path:
    return folder / ".file.bin.part"


def test_a_file_comes_home_once(server: Server, tmp_path: Path) -> None:
    source, seen = source_at(server.url), []
    assert not is_here(source, tmp_path)
    assert fetch(source, tmp_path, report=lambda file, size: seen.append((file.path, size))) == tmp_path
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert visible(tmp_path) == ["file.bin"]
    assert seen[-1] == ("file.bin", len(CONTENT))
    assert is_here(source, tmp_path)
    fetch(source, tmp_path)
    assert len(server.asked) == 1


def test_a_file_that_was_altered_here_is_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(source_at(server.url), tmp_path)
    (tmp_path / "file.bin").write_bytes(CONTENT[::-1])
    fetch(source_at(server.url), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_file_in_a_folder_of_the_source(server: Server, tmp_path: Path) -> None:
    fetch(source_at(server.url, path="deep/er/file.bin"), tmp_path)
    assert (tmp_path / "deep" / "er" / "file.bin").read_bytes() == CONTENT


def test_wrong_bytes_are_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(InvalidFileError, match=f"published sha256 {SHA256}"):
        fetch(source_at(server.url), tmp_path)
    assert visible(tmp_path) == []
    assert not partial_of(tmp_path).exists()


def test_wrong_bytes_leave_an_older_file_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"older")
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(InvalidFileError, match="published sha256"):
        fetch(source_at(server.url), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == b"older"


@pytest.mark.parametrize("states_length", [True, False])
@pytest.mark.parametrize("content", [CONTENT + b"more", b"<html>Too many requests</html>"])
def test_another_size_is_refused(server: Server, tmp_path: Path, content: bytes, states_length: bool) -> None:
    server.content, server.states_length = content, states_length
    with pytest.raises(MetanasError, match=r"another file|does not answer, or not to the end"):
        fetch(source_at(server.url), tmp_path, pause=0)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("states_length", [True, False])
def test_a_cut_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path, states_length: bool) -> None:
    server.cut, server.cuts, server.states_length = 300_000, 3, states_length
    fetch(source_at(server.url), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.cut, server.cuts, server.ranges = 300_000, 2, False
    fetch(source_at(server.url), tmp_path, pause=0)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_a_server_that_never_answers_to_the_end(server: Server, tmp_path: Path) -> None:
    server.cut, server.cuts = 0, 1000
    with pytest.raises(MetanasError, match="0 of 1,048,576 bytes are kept"):
        fetch(source_at(server.url), tmp_path, pause=0)
    assert len(server.asked) == 4
    assert visible(tmp_path) == []


def test_what_arrived_is_kept_for_the_next_call(server: Server, tmp_path: Path) -> None:
    server.cut, server.cuts, server.statuses = 300_000, 1, []

    def stop(file: RemoteFile, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source_at(server.url), tmp_path, report=stop)
    kept = partial_of(tmp_path).stat().st_size
    assert 0 < kept <= 300_000
    fetch(source_at(server.url), tmp_path)
    assert server.asked[1] == f"bytes={kept}-"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    partial_of(tmp_path).write_bytes(b"x" * 1000)
    fetch(source_at(server.url), tmp_path)
    assert server.asked == ["bytes=1000-", None]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 7])
def test_a_part_that_is_too_long_is_thrown_away(server: Server, tmp_path: Path, size: int) -> None:
    partial_of(tmp_path).write_bytes(b"x" * size)
    fetch(source_at(server.url), tmp_path)
    assert server.asked == [None]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_range_that_is_refused_begins_anew(server: Server, tmp_path: Path) -> None:
    partial_of(tmp_path).write_bytes(CONTENT[:1000])
    server.statuses = [416]
    fetch(source_at(server.url), tmp_path, pause=0)
    assert server.asked == ["bytes=1000-", None]


def test_a_server_in_trouble_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    fetch(source_at(server.url), tmp_path, pause=0)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_an_address_that_is_gone_is_asked_once(server: Server, tmp_path: Path) -> None:
    server.statuses = [404, 404]
    with pytest.raises(MetanasError, match="answers 404"):
        fetch(source_at(server.url), tmp_path)
    assert len(server.asked) == 1


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as closed:
        port = closed.server_address[1]
    with pytest.raises(MetanasError, match="does not answer"):
        fetch(source_at(f"http://127.0.0.1:{port}/file.bin"), tmp_path, pause=0)


def test_a_disk_that_fills_up_on_the_way(server: Server, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("this system has no /dev/full")
    partial_of(tmp_path).symlink_to(full)
    with pytest.raises(MetanasError, match=r"No space left on device.*goes on where it stopped"):
        fetch(source_at(server.url), tmp_path)
    assert visible(tmp_path) == []
    partial_of(tmp_path).unlink()
    fetch(source_at(server.url), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_disk_with_too_little_room_is_not_begun_on(server: Server, tmp_path: Path) -> None:
    with pytest.raises(MetanasError, match="bytes free"):
        fetch(source_at(server.url, size=10**18), tmp_path)
    assert server.asked == []


def _fetch_in_process(url: str, folder: Path, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    fetch(source_at(url), folder)


def test_two_processes_at_once_download_once(server: Server, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    processes = [context.Process(target=_fetch_in_process, args=(server.url, tmp_path, start)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_source_without_address_says_how_it_is_had(tmp_path: Path) -> None:
    source = Source("made", "A made source", "MIT", "https://example.org", "Ask its publishers.", "", ())
    with pytest.raises(MetanasError, match="Ask its publishers"):
        fetch(source, tmp_path)
    assert not is_here(source, tmp_path)


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_at("http://127.0.0.1/file.bin")
    monkeypatch.setenv("METANAS_DATA", str(tmp_path))
    assert home(source) == tmp_path / "sources" / "made"
    monkeypatch.delenv("METANAS_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home(source) == tmp_path / "cache" / "metanas" / "sources" / "made"


def test_importing_everything_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(fetching.urllib.request, "urlopen", refuse)
    from metanas.cli import main
    from metanas.sources import sources

    assert sources()
    with suppress(SystemExit):
        assert main(["fetch"]) == 0


def test_the_command(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from metanas.cli import main

    monkeypatch.setenv("METANAS_DATA", str(tmp_path))
    (tmp_path / "benchmark_data").mkdir()
    register: Callable[[str], object] = (tmp_path / "benchmark_data" / "sources.toml").write_text
    register(
        f'[sources.made]\ntitle = "Made [here]"\nlicence = "MIT"\npage = "p"\nthen = "metanas import nats {{folder}}"\n'
        f'[[sources.made.files]]\npath = "file.bin"\nurl = "{server.url}"\nsha256 = "{SHA256}"\n'
        f"bytes = {len(CONTENT)}\n"
    )
    assert main(["fetch", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["made"]["fetched"] is False
    assert main(["fetch"]) == 0
    assert "Made [here]" in capsys.readouterr().out
    assert server.asked == []
    assert main(["fetch", "made"]) == 0
    assert f"metanas import nats {tmp_path / 'sources' / 'made'}" in capsys.readouterr().out
    assert main(["fetch", "made", "--to", str(tmp_path / "other"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "other")
    assert (tmp_path / "other" / "file.bin").read_bytes() == CONTENT
    assert main(["fetch", "nats-bench-topology"]) == 1
    assert "unpack it" in capsys.readouterr().out
    assert main(["fetch", "nats-bench-topology", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["bytes"] is None
    assert main(["fetch", "mde"]) == 2
    assert "Did you mean 'made'" in capsys.readouterr().err
    assert main(["fetch", "--to", "x"]) == 2
