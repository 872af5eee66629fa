"""The card of a task: what it is, where it comes from, how it is stored and divided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from metanas.errors import InvalidFileError
from metanas.toml import read_model

Count = Annotated[int, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where the arrays come from, and what was done to them."""

    package: str
    version: str
    registry: str
    licence: str
    attribution: str
    conversion: str


class Input(_Part):
    """What one example is.

    Attributes:
        kind: ``image`` (channels, height, width) or ``sequence`` (channels, length).
        shape: of one example, as stored after decoding.
        storage: ``values``: ``x`` is stored as it is; ``one-hot``: ``x`` holds the number of the channel that is 1 at
            each position, ``(n, length)``; a number equal to the number of channels is a position where all are 0.
        normalise: ``channel``: less the mean and divided by the standard deviation of the channel over the training
            rows, at the resolution asked for; ``none``: the numbers as decoded.
    """

    kind: Literal["image", "sequence"]
    shape: tuple[Count, ...]
    storage: Literal["values", "one-hot"]
    normalise: Literal["channel", "none"]


class Labels(_Part):
    """The classes, in the order of the numbers in ``y``."""

    classes: tuple[str, ...]


class Arrays(_Part):
    """The file of arrays, relative to the card."""

    file: str
    bytes: Count
    rows: Count
    sha256: Sha256


class Split(_Part):
    """How rows are divided: shares are parts of their sum, stratified by class.

    Attributes:
        unit: what is never divided: ``row``, or what a value of ``groups`` stands for (a character, a subject …).
        seed: orders the units (see :func:`assign`).
        sha256: of the resulting assignment, one byte a row (0 training, 1 validation, 2 test).
    """

    unit: str
    seed: Annotated[int, Field(ge=0)]
    training: Count
    validation: Count
    test: Count
    sha256: Sha256


class Card(_Part):
    """A task's card. Unknown fields are refused."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+-v[1-9][0-9]*$")]
    title: str
    domain: str
    description: str
    source: Source
    input: Input
    labels: Labels
    arrays: Arrays
    split: Split
    baselines: dict[str, float] = Field(default_factory=dict)


def read_card(path: Path) -> Card:
    """Read and check a card; raise ``InvalidFileError`` that names the fields that are wrong."""
    if not path.is_file():
        msg = f"A task's card must exist, but there is no file {path}."
        raise InvalidFileError(msg)
    card = read_model(path, Card, "task's card")
    if card.name != path.stem:
        msg = f"A card's name is that of its file, but {path.name} says name = {card.name!r}."
        raise InvalidFileError(msg)
    return card
