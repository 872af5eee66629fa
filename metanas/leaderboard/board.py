"""A board: which tables are searched, under which rules, and what is reported (``leaderboards/<board>/board.toml``)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from metanas.harness import Rules
from metanas.leaderboard.files import Part, load_named, names_with
from metanas.problem import Budget, Constraint, Direction, Objective
from metanas.spaces import Space, load_space
from metanas.toml import read_model

FILE = "board.toml"
DEFAULT = "anytime-v1"
DEVICE, TASK = "{device}", "{task}"

Positive = Annotated[int, Field(gt=0)]
Above = Annotated[float, Field(gt=0)]
Untrained = Annotated[str, Field(pattern=r"^((latency|energy|proxy)/.+|cost/(parameters|macs))$")]  # needs no training


class ObjectivePart(Part):
    """What strategies optimize and by which the incumbent is chosen: a validation metric."""

    metric: Annotated[str, Field(pattern="^validation/")]
    direction: Direction


class LimitPart(Part):
    """What an architecture may cost; see :class:`metanas.problem.Constraint`.

    Attributes:
        metric: a cost of the untrained architecture.
        at_most: the limit, or a limit for each device.
    """

    metric: Untrained
    at_most: Above | dict[str, Above]

    def on(self, device: str | None) -> Constraint:
        """Return the limit on a device."""
        limit = self.at_most[device or ""] if isinstance(self.at_most, dict) else self.at_most
        return Constraint(_on(self.metric, device), limit)


class ReportPart(Part):
    """What is reported, and when.

    Attributes:
        metric: a test metric.
        at: points of the budget, ascending, in its unit (trainings; seconds where only time is limited).
        limit: on a board with costs as objectives: report the incumbent under this limit beside the hypervolume.
    """

    metric: Annotated[str, Field(pattern="^test/")]
    at: tuple[float, ...] = Field(min_length=1)
    limit: LimitPart | None = None


class BudgetPart(Part):
    """What a run may spend; see :class:`metanas.problem.Budget`."""

    trainings: Positive | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None


class RulesPart(Part):
    """How a run is charged; see :class:`metanas.harness.Rules`.

    Attributes:
        max_epochs: epochs of a full training; the last of each table if absent.
    """

    fidelity: Literal["full", "any"]
    max_epochs: Positive | None = None
    workers: Positive
    repeats: Literal["charged", "free"]
    continuation: Literal["continue", "restart"]


class Board(Part):
    """A board.

    Attributes:
        name: name with version, as in ``"anytime-v1"``.
        title: one line on what it asks.
        space: the search space; every table of the board answers for all of it.
        tables: the tables that are searched.
        label: how one number comes of several trainings: the mean over the seeds that were measured.
        seeds: runs of each strategy on each table, with the seeds 0, 1, ….
        objective: what is optimized.
        report: what is reported.
        budget: what a run may spend.
        rules: how it is charged.
        costs: further objectives, to be minimized: one or two costs of the untrained architecture. Reported is then
            the hypervolume of what is not dominated, instead of an incumbent.
        constraints: limits that the incumbent must keep.
        scores: what strategies know of every architecture beforehand; see :attr:`metanas.problem.Problem.scores`.
        devices: each table is searched once for each of them; ``{device}`` stands for it in the names of metrics, and
            of the tables of ``columns``.
        columns: the tables that hold metrics which the searched table does not, by metric; ``{task}`` in the name of
            such a table stands for the searched table's task.
        by_class: a table of ``columns`` that holds architectures as they are written, dead operations included, is read
            at the representative of each functional class: the network that one would deploy.
        outcome: what a trial is answered with: ``"mean"``, the mean over the measured seeds; ``"seed"``, one of them;
            ``"drawn"``, the mean and drawn noise (:mod:`metanas.outcomes`). The incumbent is chosen by what was
            answered; what it is worth is the mean in every case.
        surrogate: the tables are samples, and what they did not measure is answered, and judged, by prediction
            (:mod:`metanas.surrogates`).
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*-v[0-9]+$")]
    title: str
    space: str
    tables: tuple[str, ...] = Field(min_length=1)
    label: Literal["mean_of_measured_seeds"]
    seeds: Positive
    objective: ObjectivePart
    report: ReportPart
    budget: BudgetPart
    rules: RulesPart
    costs: tuple[Untrained, ...] = Field(default=(), max_length=2)
    constraints: tuple[LimitPart, ...] = ()
    scores: tuple[Untrained, ...] = ()
    devices: tuple[str, ...] = ()
    columns: dict[Untrained, str] = Field(default_factory=dict)
    by_class: bool = False
    outcome: Literal["mean", "seed", "drawn"] = "mean"
    surrogate: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check what one field says of another."""
        self.make_rules()
        self._check_devices()
        if self.costs and self.rules.fidelity == "any":
            msg = "costs need rules.fidelity = 'full': what is not dominated is a matter of finished trainings"
            raise ValueError(msg)
        if self.costs and self.constraints:
            msg = "a board has costs as objectives or constraints, not both; report.limit is for a board with costs"
            raise ValueError(msg)
        if self.report.limit and not self.costs:
            msg = "report.limit is for a board with costs; let strategies know of a limit by constraints"
            raise ValueError(msg)
        self._check_outcome()
        at = self.report.at
        limit = self.budget.trainings or self.budget.seconds or 0
        if list(at) != sorted(set(at)) or at[0] <= 0 or at[-1] > limit:
            msg = f"report.at must ascend within the budget (0, {limit:g}], but got {list(at)}"
            raise ValueError(msg)
        return self

    def _check_outcome(self) -> None:
        if self.outcome == "seed" and self.surrogate:
            msg = "outcome = 'seed' is what was measured, and a surrogate has more; take outcome = 'drawn'"
            raise ValueError(msg)
        if self.outcome == "mean":
            return
        if self.rules.repeats != "free" or self.rules.continuation != "continue":
            msg = (
                f"outcome = '{self.outcome}' needs rules.repeats = 'free' and rules.continuation = 'continue': an "
                f"architecture is trained once, and what is known of it is not charged again"
            )
            raise ValueError(msg)
        if self.costs:
            msg = f"outcome = '{self.outcome}' is for boards with one objective; a front is chosen by means"
            raise ValueError(msg)

    def _check_devices(self) -> None:
        limits = [*self.constraints, *([self.report.limit] if self.report.limit else [])]
        named = any(DEVICE in text for text in (*self.costs, *self.scores, *self.columns, *(x.metric for x in limits)))
        if named != bool(self.devices) or len(set(self.devices)) < len(self.devices):
            msg = f"devices must be named, each once, where {DEVICE} occurs, and nowhere else; got {self.devices}"
            raise ValueError(msg)
        for limit in limits:
            if isinstance(limit.at_most, dict) and set(limit.at_most) != set(self.devices):
                msg = f"at_most of {limit.metric} must name every device, {self.devices}; got {tuple(limit.at_most)}"
                raise ValueError(msg)

    @property
    def unit(self) -> Literal["trainings", "seconds"]:
        """What the budget is counted in."""
        return "seconds" if self.budget.trainings is None else "trainings"

    @property
    def limit(self) -> float:
        """The budget, in :attr:`unit`."""
        return self.budget.trainings or self.budget.seconds or 0

    def make_objective(self) -> Objective:
        """Return the objective of the trained architecture as strategies see it, the first of several."""
        return Objective(self.objective.metric, self.objective.direction)

    def make_objectives(self, device: str | None = None) -> tuple[Objective, ...]:
        """Return all objectives as strategies see them."""
        return (self.make_objective(), *(Objective(_on(name, device), "minimize") for name in self.costs))

    def make_constraints(self, device: str | None = None) -> tuple[Constraint, ...]:
        """Return the constraints as strategies see them."""
        return tuple(limit.on(device) for limit in self.constraints)

    def scores_on(self, device: str | None) -> tuple[str, ...]:
        """Return the names of the scores that strategies know."""
        return tuple(_on(name, device) for name in self.scores)

    def columns_on(self, device: str | None, task: str) -> dict[str, str]:
        """Return metric -> name of the table that holds it."""
        return {_on(name, device): _on(table, device).replace(TASK, task) for name, table in self.columns.items()}

    def make_rules(self, workers: int | None = None) -> Rules:
        """Return the rules of a run, with another number of workers if one is given."""
        return Rules(
            budget=Budget(self.budget.trainings, self.budget.seconds),
            workers=self.rules.workers if workers is None else workers,
            repeats=self.rules.repeats,
            continuation=self.rules.continuation,
            fidelity=self.rules.fidelity,
        )

    def make_space(self) -> Space:
        """Return the search space."""
        return load_space(self.space)

    @property
    def rules_sha256(self) -> str:
        """Hash of all that decides a run; a board may gain tables, seeds and words, but not change its rules."""
        decisive = self.model_dump(mode="json", exclude={"title", "tables", "seeds"})
        for name in ("costs", "constraints", "scores", "devices", "columns"):  # later fields: absent is as it was
            if not decisive[name]:
                del decisive[name]
        if decisive["outcome"] == "mean":
            del decisive["outcome"]
        for name in ("surrogate", "by_class"):
            if not decisive[name]:
                del decisive[name]
        if decisive["report"]["limit"] is None:
            del decisive["report"]["limit"]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _on(text: str, device: str | None) -> str:
    return text.replace(DEVICE, device or "")


def board_names() -> tuple[str, ...]:
    """Return the names of all published boards, sorted."""
    return names_with(FILE)


def load_board(name: str) -> Board:
    """Return a published board by name, or the one in a ``.toml`` file.

    Raises:
        UnknownNameError: no such board.
        InvalidFileError: a file that is no board, saying which field is wrong.
    """
    return load_named(name, FILE, read_board, "board")


def read_board(path: Path) -> Board:
    """Read a board's file; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    return read_model(path, Board, "board")
