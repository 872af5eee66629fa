from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from metanas.errors import InvalidFileError
from metanas.toml import as_toml, read_model, read_toml


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    share: float = Field(le=1)


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    sizes: tuple[int, ...]
    part: dict[str, float] = {}
    parts: tuple[Part, ...] = ()


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    thing = Thing(name='a "b" \\ ü', sizes=(1, 2), part={"x": 0.5}, parts=(Part(share=0.1), Part(share=1)))
    path = tmp_path / "thing.toml"
    path.write_text(as_toml(thing.model_dump()), encoding="utf-8")
    assert read_model(path, Thing, "thing") == thing


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name =", "thing.toml is no readable TOML: Invalid value"),
        (b"name = '\xff'", "thing.toml is no readable TOML: 'utf-8'"),
        (b'name = "a"\nsizes = [1]\nsize = 3', "thing.toml is no thing: size: Extra inputs are not permitted."),
        (b'name = 1\nsizes = ["a"]', "is no thing: name: Input should be a valid string; sizes.0: Input should be"),
        (b'name = "a"\nsizes = []\n[[parts]]\nshare = 1.5', "parts.0.share: Input should be less than or equal to 1."),
        (b'name = "a"\nsizes = ' + str(["a"] * 9).encode(), "sizes.5: Input should be a valid integer; and 3 more."),
    ],
)
def test_what_is_wrong_is_said_in_a_line(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidFileError) as raised:
        read_model(path, Thing, "thing")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "https" not in str(raised.value)  # pydantic's own pages are about models, not about files


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"absent.toml cannot be read: No such file or directory\.$"):
        read_toml(tmp_path / "absent.toml")
    assert tomllib.loads(as_toml({"a": 1})) == {"a": 1}
