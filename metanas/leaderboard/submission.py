"""A run as it is kept: what a strategy chose, sealed; and what it claims to have reached.

The seal is the SHA-256 of everything but the result. It is set before a test score is looked up. The result is a
claim: whoever holds the table replays the choices and gets every number again (:mod:`metanas.leaderboard.replay`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from metanas.errors import InvalidFileError
from metanas.leaderboard.files import Part, Sealed, read_json

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class StrategyPart(Part):
    """Who chose.

    Attributes:
        name: the name of a built-in strategy, or of the object in the source.
        config: how it was set up.
        source: file (or module) and object of a strategy from outside; None for a built-in one.
        sha256: hash of that source: its file, and what it imports from files that belong to no library.
    """

    name: str
    config: dict[str, Any]
    source: str | None = None
    sha256: Sha256 | None = None


def impersonates(stated: StrategyPart, built_in: Collection[str]) -> bool:
    """Return whether a run says that its strategy came from outside in a way that none can have come from there.

    Its name is that of a built-in one, which sources from outside may not have, or it has a hash and no source.
    """
    return stated.sha256 is not None and (stated.name in built_in or stated.source is None)


class Choices(Part):
    """What was asked for, in the order of asking.

    Attributes:
        archs: index in the space of each architecture, ``(n_trials,)``.
        epochs: of each trial, ``(n_trials,)``; one number if all are alike.
    """

    archs: tuple[int, ...]
    epochs: int | tuple[int, ...]

    def trials(self) -> list[tuple[int, int]]:
        """Return index and epochs of every trial; raise ``InvalidFileError`` if their numbers differ."""
        epochs = (self.epochs,) * len(self.archs) if isinstance(self.epochs, int) else self.epochs
        if len(epochs) != len(self.archs):
            msg = f"A run has epochs for every trial, but there are {len(self.archs)} trials and {len(epochs)} epochs."
            raise InvalidFileError(msg)
        return list(zip(self.archs, epochs, strict=True))


class Point(Part):
    """The incumbent at a point of the budget; None before the first training has ended."""

    at: Finite
    validation: Finite | None
    test: Finite | None


class Result(Part):
    """What a run reached, by replay.

    Attributes:
        trainings: full trainings that were charged and counted.
        seconds: simulated clock when the last of them ended; None for a table without times.
        incumbent: index of the architecture with the best validation value; None if there is none as yet.
        validation: its validation value.
        test: its test value.
        points: the incumbent at the board's points of report.
        optimum_at: when an architecture with the best validation value of all was found, in the budget's unit; None
            if it was not.
        front: on a board with costs, indices of the architectures that nothing trained dominates by validation; all
            other values are then hypervolumes, and there is no incumbent.
        limited: on a board with costs and a limit of report, the incumbent under it at the board's points.
    """

    trainings: Finite
    seconds: Finite | None
    incumbent: int | None
    validation: Finite | None
    test: Finite | None
    points: tuple[Point, ...]
    optimum_at: Finite | None
    front: tuple[int, ...] = ()
    limited: tuple[Point, ...] = ()


class Run(Sealed):
    """One run of one strategy on one table.

    Attributes:
        schema_version: of this format.
        metanas: version of the package.
        numpy: version of NumPy; its random streams may differ from one to the next.
        code: hash of the package's source and of the packages that decide what built-in strategies choose.
        board: name of the board.
        rules_sha256: hash of the board's rules.
        space: name of the search space.
        task: name of the task.
        table: name of the table.
        table_sha256: hash of the table's file.
        strategy: who chose.
        seed: of the run; the generator is derived from board, task, strategy and seed.
        workers: simulated workers.
        choices: what was asked for.
        device: on which device; None on a board without devices.
        columns: tables that held costs and scores: name -> hash of the file.
        strategy_cpu_seconds: what the strategy itself used; a statement that no replay can check.
        seal: hash of all of the above.
        result: what the run claims to have reached; None until the run is sealed.
    """

    CLAIM: ClassVar[str] = "result"

    schema_version: Literal[1] = 1
    metanas: str
    numpy: str
    code: Sha256
    board: str
    rules_sha256: Sha256
    space: str
    task: str
    table: str
    table_sha256: Sha256
    strategy: StrategyPart
    seed: Annotated[int, Field(ge=0)]
    workers: Annotated[int, Field(gt=0)]
    choices: Choices
    device: str | None = None
    columns: dict[str, Sha256] = Field(default_factory=dict)
    strategy_cpu_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    seal: str = ""
    result: Result | None = None


def read_run(path: Path) -> Run:
    """Read a run; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    return read_json(path, Run, "run")
