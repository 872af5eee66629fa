from __future__ import annotations

from pathlib import Path

import pytest

from metanas import published
from metanas.errors import InvalidFileError, UnknownNameError
from metanas.files import sha256_of


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make the four places, each with its own ``things`` folder, and return them in the order of search."""
    package = tmp_path / "checkout" / "metanas"
    found = [tmp_path / "named", package / "_published", tmp_path / "checkout", tmp_path / "cache" / "metanas"]
    for place in found:
        (place / "things").mkdir(parents=True)
        (place / "things" / "both.toml").write_text(str(place))
    (tmp_path / "checkout" / "pyproject.toml").touch()
    monkeypatch.setattr(published, "_PACKAGE", package)
    monkeypatch.setenv("METANAS_DATA", str(found[0]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


def test_the_order_of_search(places: list[Path]) -> None:
    assert published.roots() == tuple(places)
    assert published.folders("things") == tuple(place / "things" for place in places)
    for place in places:
        assert published.folder("things") == place / "things"
        assert published.find("things/both.toml") == place / "things" / "both.toml"
        (place / "things" / "both.toml").unlink()
        (place / "things").rmdir()
    assert published.find("things/both.toml") is None


def test_an_earlier_place_hides_the_same_name_and_no_other(places: list[Path]) -> None:
    (places[3] / "things" / "late.toml").touch()
    (places[3] / "things" / "late.txt").touch()
    assert published.files("things", ".toml") == {
        "both": places[0] / "things" / "both.toml",
        "late": places[3] / "things" / "late.toml",
    }


def test_an_unknown_folder_names_those_that_are_there(places: list[Path]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'things'"):
        published.folder("thing")


def test_an_installed_package_has_no_checkout(places: list[Path]) -> None:
    (places[2] / "pyproject.toml").unlink()
    assert published.checkout() is None
    assert places[2] not in published.roots()


def test_a_data_folder_that_is_not_there_is_passed_over(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METANAS_DATA", str(places[0] / "nowhere"))
    assert published.roots() == tuple(places[1:])


def test_verify_tells_altered_from_absent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"published")
    published.verify(path, sha256_of(path))
    with pytest.raises(InvalidFileError, match="altered or cut short"):
        published.verify(path, "0" * 64)
    path.unlink()
    with pytest.raises(InvalidFileError, match="cannot be read"):
        published.verify(path, "0" * 64)
