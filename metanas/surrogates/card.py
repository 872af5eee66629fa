"""The card of a surrogate: what it is, how well it predicts, and whether it passes the test of its kind."""

from __future__ import annotations

from collections.abc import Mapping

from metanas.spaces import ListedSpace
from metanas.surrogates.coefficients import classes_of
from metanas.surrogates.counted import Counted
from metanas.surrogates.fitting import Fitted
from metanas.surrogates.growing import FOLDS

Figures = Mapping[str, Mapping[str, float]]

_TESTED = ("validation/accuracy", "validation/cross_entropy")


def card(fitted: Fitted, figures: Figures) -> str:
    """Return the card as Markdown.

    Args:
        fitted: the surrogate.
        figures: of each metric; see :func:`metanas.surrogates.figures.figures`.
    """
    table, space = fitted.table, fitted.table.space
    whole = f"{len(classes_of(space)):,} functional classes" if isinstance(space, ListedSpace) else "cells"
    rows = "\n".join(_row(name, figures[name], len(model.rows)) for name, model in fitted.models.items())
    verdicts = "\n".join(f"- {verdict(name, figures[name])}" for name in _TESTED if name in figures)
    return f"""# Surrogate of {table.name}

Answers for all {whole} of the space `{table.space_name}` on the task `{table.task}`, of which the table measured
{len(table):,} rows. What is measured stays measured; what is predicted says so.

    metanas.load_table("{table.name}", surrogate=True)

**Method.** Curves of means over seeds as normal scores, decomposed into directions (NAS-Bench-x11); their coefficients
predicted by {", ".join(fitted.members)}, weighted by {FOLDS}-fold cross-validation. Every metric is learned from itself
alone.{_counted(fitted)} Noise of a training: deviations of the table's real seeds.

**Data.** `{table.name}`, sha256 `{table.sha256}`. Seed of the fit: {fitted.seed}.

**Figures** after the last epoch, out of fold ({FOLDS} folds, functionally equal architectures in one fold; the members'
weights were chosen on the same folds):

| metric | examples | tau | R² | RMSE | in the 80 % interval | tau with other trainings | of one training |
|---|---|---|---|---|---|---|---|
{rows}

*Tau with other trainings*: of the prediction with the mean of all seeds but one; *of one training*: of that one seed
with the same mean.

{verdicts or "The table has no several seeds: whether the surrogate ranks better than a training is not known."}

**Limits.** For this task and this protocol. A predicted mean is smoother than a measured one: the best of many
predictions is not as good as it seems, nor is the best of many measurements.

Made by `metanas surrogate fit {table.name}`.
"""


def _counted(fitted: Fitted) -> str:
    names = [f"`{name}`" for name, model in fitted.models.items() if isinstance(model, Counted)]
    return f"\nCounted from the network, not predicted: {', '.join(names)}." if names else ""


def verdict(name: str, found: Mapping[str, float]) -> str:
    """Say in a sentence whether a metric passes the test."""
    if "tau_one_training" not in found:
        return f"`{name}`: one training of each architecture, so that nothing can be set against another."
    surrogate, training = found["tau_other_trainings"], found["tau_one_training"]
    if surrogate > training:
        return f"`{name}`: ranks unseen architectures better than one training ({surrogate:.3f} > {training:.3f})."
    return f"`{name}`: does **not** rank better than one training ({surrogate:.3f} against {training:.3f}); train more."


def _row(name: str, found: Mapping[str, float], n: int) -> str:
    pair = [f"{found[key]:.3f}" if key in found else "–" for key in ("tau_other_trainings", "tau_one_training")]
    cells = [f"{n:,}", f"{found['tau']:.3f}", f"{found['r2']:.3f}", f"{found['rmse']:.4g}"]
    return f"| {name} | {' | '.join([*cells, format(found['coverage_80'], '.2f'), *pair])} |"
