"""A board of predictors: what is predicted, from how many examples, and what is reported.

Its file is ``leaderboards/<board>/predictor-board.toml``. The kind says where the values to predict come from, and what
else a predictor is given:

- ``"accuracy"``: a metric of each table, from examples of that table alone;
- ``"tasks"``: the same, and the same metric of all the other tables (leave one task out);
- ``"devices"``: a metric of each device of each split, and that of all devices outside the split.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from metanas.leaderboard.board import DEVICE
from metanas.leaderboard.files import Part, load_named, names_with
from metanas.toml import read_model

FILE = "predictor-board.toml"
Figure = Literal["tau", "spearman"]
Positive = Annotated[int, Field(gt=0)]


class PredictorBoard(Part):
    """A board of predictors.

    Attributes:
        name: name with version, as in ``"predictor-v1"``.
        title: one line on what it asks.
        kind: see the module.
        space: the search space; every table answers for it.
        tables: the tables; those of devices hold the devices' columns. ``"nb201/*"`` stands for all published ones
            that are so called, are of the space and hold what is predicted.
        label: how one number comes of several trainings: the mean over the seeds that were measured.
        metric: what is predicted; ``{device}`` stands for the device.
        report: the metric that the regret of the predicted best is in, as ``"test/accuracy"``.
        figure: by which predictors are ranked: Kendall's tau, or Spearman's correlation.
        shots: how many examples of the target a predictor learns from, ascending; 0: from the sources alone.
        examples: ``"drawn"`` at random, the same for every predictor; or ``"chosen"`` by predictors that have
            ``propose(n)``, and drawn for the others.
        scored: on which architectures: all ``"others"`` that are no examples, or ``"all"``.
        seeds: runs of each predictor on each target, with the seeds 0, 1, ….
        logarithm: predictors that take sources are told to model logarithms, as fits latencies.
        splits: of the kind ``"devices"``: devices that are left out together, as one family or all of one maker;
            ``"openvino-*"`` stands for all that are so called.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*-v[0-9]+$")]
    title: str
    kind: Literal["accuracy", "tasks", "devices"]
    space: str
    tables: tuple[str, ...] = Field(min_length=1)
    label: Literal["mean_of_measured_seeds"]
    metric: Annotated[str, Field(pattern="^(validation|latency|energy)/")]
    report: Annotated[str, Field(pattern="^(test|latency|energy)/")]
    figure: Figure
    shots: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    examples: Literal["drawn", "chosen"]
    scored: Literal["others", "all"]
    seeds: Positive
    logarithm: bool = False
    splits: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check what one field says of another."""
        if list(self.shots) != sorted(set(self.shots)):
            msg = f"shots must ascend, but got {list(self.shots)}"
            raise ValueError(msg)
        if self.kind == "accuracy" and not self.shots[0]:
            msg = "shots of a board without sources must be at least 1, but got 0"
            raise ValueError(msg)
        if (self.kind == "devices") != bool(self.splits) or not all(self.splits.values()):
            msg = "splits name the devices that are left out on a board of the kind 'devices', and on no other"
            raise ValueError(msg)
        if (DEVICE in self.metric) != (self.kind == "devices") or (DEVICE in self.report and DEVICE not in self.metric):
            msg = f"{DEVICE} must occur in metric where the kind is 'devices', and nowhere else"
            raise ValueError(msg)
        return self

    @property
    def rules_sha256(self) -> str:
        """Hash of all that decides a run; a board may gain tables, seeds and words, but not change its rules."""
        decisive = self.model_dump(mode="json", exclude={"title", "tables", "seeds"})
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def predictor_board_names() -> tuple[str, ...]:
    """Return the names of all published boards of predictors, sorted."""
    return names_with(FILE)


def load_predictor_board(name: str) -> PredictorBoard:
    """Return a published board of predictors by name, or the one in a ``.toml`` file.

    Raises:
        UnknownNameError: no such board.
        InvalidFileError: a file that is no board of predictors, saying which field is wrong.
    """
    return load_named(name, FILE, read_predictor_board, "board of predictors")


def read_predictor_board(path: Path) -> PredictorBoard:
    """Read a board's file; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    return read_model(path, PredictorBoard, "board of predictors")
