"""Which column of a file is what: a short TOML file, for ``metanas import columns``.

A rule names columns by a pattern with ``{task}``, ``{epoch}``, ``{seed}`` and ``{name}`` in it, says which metric they
are (``{name}`` may stand in its name), in which unit, and of which seeds. Every column of the file must be taken by one
rule, or be ignored with a reason: nothing is dropped or guessed in silence. For example::

    space = "nb201"
    title = "My measurements"
    source = "https://…"
    licence = "CC-BY-4.0"
    protocol = "200 epochs of SGD, cosine schedule"

    [architecture]
    form = "string"  # or "index", or "ops" with operations and template, or "row": in the order of the space's indices
    column = "cell"

    [[columns]]
    column = "{task}/val_acc@{epoch}"
    metric = "validation/accuracy"
    unit = "percent"
    seeds = [777, 888, 999]  # of the second axis

    [ignore]
    comment = "free text"

**Epochs.** Two epoch numbers in one file are two runs, and each becomes a table of its own: in NAS-Bench-201 a training
of 12 epochs goes through the whole learning-rate schedule in 12 epochs and is no prefix of the training of 200. A table
has one epoch axis, along which harness and predictors read learning curves, continue trainings and charge the rest
only; so runs that do not share it must not stand on it, and what is in two tables cannot be mistaken for a curve.
``curve = true`` says that the epochs of this file are points of the same trainings, and puts them on one axis.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metanas.errors import InvalidFileError, UnknownNameError
from metanas.tables.schema import Direction, unit_and_direction
from metanas.toml import read_model

FOLDER = Path(__file__).parent / "maps"
FACTORS: dict[str, dict[str, float]] = {  # stored unit -> unit in the file -> what to multiply by
    "percent": {"percent": 1, "fraction": 100},
    "nats": {"nats": 1, "bits": 0.6931471805599453},
    "s": {"s": 1, "ms": 1e-3, "min": 60, "h": 3600},
    "ms": {"ms": 1, "us": 1e-3, "s": 1e3},
    "mJ": {"mJ": 1, "uJ": 1e-3, "J": 1e3},
    "1": {"1": 1, "thousand": 1e3, "million": 1e6},
}
_PLACES = {"task": r"[^/@#]+", "epoch": r"\d+", "seed": r"\d+", "name": r"[^/@#]+"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Architectures(_Part):
    """Where the architecture of a row stands.

    Attributes:
        form: ``"string"``, ``"index"``, ``"ops"`` (numbers or names, one an edge or vertex), or ``"row"``: row i is
            the architecture with index i, for every index of the space.
        column: its column.
        operations: what the numbers of ``"ops"`` stand for: a list of names, or the name of a column that holds them.
        template: the written form of the space with ``{0}``, ``{1}`` … for the operations.
    """

    form: Literal["string", "index", "ops", "row"]
    column: str | None = None
    operations: tuple[str, ...] | str = ()
    template: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.column is None) != (self.form == "row"):
            msg = "a column is named for every form but 'row', which has none"
            raise ValueError(msg)
        if (self.template is None) != (self.form != "ops"):
            msg = "a template belongs to the form 'ops', and to no other"
            raise ValueError(msg)
        return self


class Match(NamedTuple):
    """What the name of a column says."""

    task: str | None
    epoch: int | None
    seed: int | None
    metric: str


class Rule(_Part):
    """What the columns are that a pattern matches.

    Attributes:
        column: the pattern.
        metric: name of the metric.
        unit: unit in the file; the stored one if absent.
        direction: what is better, for a metric that has no usual direction.
        task: the task, where the pattern has no ``{task}``.
        tasks: only these tasks, as they are called in the file; all if empty.
        epoch: after how many epochs, where the pattern has no ``{epoch}``.
        epochs: epochs of the last axis.
        seed: of which seed, where the pattern has no ``{seed}``.
        seeds: seeds of the second axis.
        not_measured: values that stand for "not measured" beside NaN; each is counted in the table's notes.
    """

    column: str
    metric: str
    unit: str | None = None
    direction: Direction | None = None
    task: str | None = None
    tasks: tuple[str, ...] = ()
    epoch: Annotated[int, Field(ge=0)] | None = None
    epochs: tuple[Annotated[int, Field(ge=0)], ...] = ()
    seed: Annotated[int, Field(ge=0)] | None = None
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    not_measured: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for one, several in (("task", None), ("epoch", "epochs"), ("seed", "seeds")):
            place = f"{{{one}}}" in self.column
            said = place + (getattr(self, one) is not None) + bool(several and getattr(self, several))
            if said > 1:
                msg = f"the {one} of {self.column!r} is said {said} times: by the pattern, {one} or {several or one}"
                raise ValueError(msg)
        if "{name}" in self.metric and "{name}" not in self.column:
            msg = f"the metric {self.metric!r} has a {{name}} that the column {self.column!r} does not give"
            raise ValueError(msg)
        fixed = unit_and_direction(self.metric)
        if fixed is None and (self.direction is None or self.unit is None):
            msg = f"the metric {self.metric!r} has no usual unit and direction: give both"
            raise ValueError(msg)
        if fixed and self.unit is not None and self.unit not in FACTORS[fixed[0]]:
            msg = f"{self.metric!r} is in one of {', '.join(FACTORS[fixed[0]])}, not in {self.unit!r}"
            raise ValueError(msg)
        if fixed and self.direction not in (None, fixed[1]):
            msg = f"the direction of {self.metric!r} is {fixed[1]!r}"
            raise ValueError(msg)
        _compiled(self.column)  # a malformed pattern is found now
        return self

    @property
    def stored(self) -> tuple[str, Direction]:
        """Unit and direction in the table."""
        fixed = unit_and_direction(self.metric)
        if fixed is not None:
            return fixed
        unit = self.unit or "1"
        to = next((to for to in ("percent", "1") if unit in FACTORS[to]), unit)
        return to, self.direction or "none"

    @property
    def factor(self) -> float:
        """What to multiply by to get the stored unit."""
        to, _ = self.stored
        return FACTORS.get(to, {}).get(self.unit or to, 1.0)

    def match(self, column: str) -> Match | None:
        """Return what the name of a column says, or None if this rule is not about it."""
        found = _compiled(self.column).fullmatch(column)
        if found is None:
            return None
        said = found.groupdict()
        if self.tasks and said.get("task") not in self.tasks:
            return None
        epoch, seed = said.get("epoch"), said.get("seed")
        return Match(
            task=said.get("task") or self.task,
            epoch=self.epoch if epoch is None else int(epoch),
            seed=self.seed if seed is None else int(seed),
            metric=self.metric.replace("{name}", _as_name(said.get("name", ""))),
        )


class ColumnMap(_Part):
    """What the columns of a file are; see the module.

    Attributes:
        space: the search space.
        title: what is in the file, in a line.
        source: where it comes from.
        licence: under which licence.
        protocol: how it was measured.
        task: the task of all columns, where neither pattern nor rule says one.
        tasks: name of a task in the file -> its name here.
        curve: whether different epochs are points of one training.
        architecture: where the architecture of a row stands.
        columns: the rules.
        ignore: pattern of columns that are left out -> why.
        strict: whether a rule that no column fits is an error.
    """

    space: str
    title: str
    source: str = ""
    licence: str = ""
    protocol: str = ""
    task: str | None = None
    tasks: dict[str, str] = Field(default_factory=dict)
    curve: bool = False
    architecture: Architectures
    columns: tuple[Rule, ...] = Field(min_length=1)
    ignore: dict[str, str] = Field(default_factory=dict)
    strict: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        for pattern in self.ignore:
            _compiled(pattern)
        return self

    def ignores(self, column: str) -> bool:
        """Whether a column is left out on purpose."""
        return any(_compiled(pattern).fullmatch(column) for pattern in self.ignore)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w*)\}", pattern)
    names = parts[1::2]
    if not set(names) <= set(_PLACES) or len(set(names)) < len(names):
        msg = f"a pattern has each of {', '.join(f'{{{name}}}' for name in _PLACES)} once at most: {pattern!r}"
        raise ValueError(msg)
    parts[::2] = [re.escape(text) for text in parts[::2]]
    parts[1::2] = [f"(?P<{name}>{_PLACES[name]})" for name in names]
    return re.compile("".join(parts))


def _as_name(text: str) -> str:
    """Turn a name in a file into one that a metric may have."""
    return re.sub(r"[^a-z0-9_.-]", "_", text.lower())


def map_names() -> tuple[str, ...]:
    """Return the names of the maps that come with metanas, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_map(name: str) -> ColumnMap:
    """Return a map that comes with metanas, by its name, or the one in a ``.toml`` file.

    Raises:
        UnknownNameError: no such map.
        InvalidFileError: a file that is no map, saying which field is wrong.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in map_names():
        raise UnknownNameError("map of columns", name, map_names())
    return read_model(path, ColumnMap, "map of columns")


def plain_map(space: str, columns: tuple[str, ...], source: str) -> ColumnMap:
    """Return the map of a file whose columns are called as metrics are here.

    ``task/validation/accuracy@200#777`` is the validation accuracy of seed 777 after 200 epochs, in percent; without
    ``#777`` a mean over seeds. ``task/latency/pixel3`` is in ms, ``task/energy/pixel3`` in mJ, ``task/proxy/nwot`` a
    score. The architecture stands in a column ``arch`` (written form) or ``index``.

    Args:
        space: name of the search space.
        columns: names of the columns.
        source: name of the file.

    Raises:
        InvalidFileError: no column holds the architecture.
    """
    form: dict[str, Literal["string", "index"]] = {"arch": "string", "index": "index"}
    column = next((name for name in form if name in columns), None)
    if column is None:
        listed = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
        msg = f"{source} has no column 'arch' or 'index' ({listed}). Say in a map which one it is: --map."
        raise InvalidFileError(msg)
    measured = [
        Rule(column=f"{{task}}/{name}{epoch}{seed}", metric=name)
        for split in ("training", "validation", "test", "cost")
        for name in (
            f"{split}/{quantity}" for quantity in ("accuracy", "cross_entropy", "seconds", "parameters", "macs")
        )
        for epoch in ("", "@{epoch}")
        for seed in ("", "#{seed}")
    ]
    untrained = [
        Rule(column=f"{{task}}/{group}/{{name}}", metric=f"{group}/{{name}}") for group in ("latency", "energy")
    ]
    score = Rule(column="{task}/proxy/{name}", metric="proxy/{name}", unit="1", direction="none")
    return ColumnMap(
        space=space,
        title=source,
        architecture=Architectures(form=form[column], column=column),
        columns=(*measured, *untrained, score),
        strict=False,
    )
