"""A run of a predictor on one target as it is kept: examples and predictions, sealed; and what they come to.

Predictions are kept for every architecture of the target, as 32-bit floats, so that whoever has the table computes
every figure again, and whoever has the predictor every prediction.
"""

from __future__ import annotations

import base64
import json
import math
import time
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from metanas.errors import InvalidFileError, InvalidValueError, PredictorError
from metanas.harness import generator
from metanas.leaderboard.files import Part, Sealed, read_json
from metanas.leaderboard.predictor_board import PredictorBoard
from metanas.leaderboard.predictor_figures import Figures, figures
from metanas.leaderboard.predictor_source import PredictorSource
from metanas.leaderboard.predictor_target import Target
from metanas.leaderboard.submission import Finite, Sha256, StrategyPart
from metanas.predictors import Prediction, Predictor
from metanas.spaces import load_space
from metanas.strategies import describe

KIND = "predictor"
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class FitPart(Part):
    """What came of one number of examples.

    Attributes:
        n: number of examples.
        examples: their indices, in the order given, ``(n,)``.
        mean: predictions for all candidates of the target, ascending by index: base64 of little-endian 32-bit floats.
        std: standard deviations in the same form; None where the predictor gives none.
        fit_seconds: CPU seconds of making and fitting the predictor; a statement that no one else can check.
        predict_seconds: CPU seconds of predicting.
    """

    n: Annotated[int, Field(ge=0)]
    examples: tuple[int, ...]
    mean: str
    std: str | None
    fit_seconds: Annotated[Finite, Field(ge=0)]
    predict_seconds: Annotated[Finite, Field(ge=0)]


class FiguresPart(Part):
    """The figures of one fit; see :class:`metanas.leaderboard.predictor_figures.Figures`."""

    n: int
    tau: Finite
    top_tau: Finite
    spearman: Finite
    regret: Finite
    coverage: Finite | None


class PredictorRun(Sealed):
    """One predictor on one target with one seed.

    Attributes:
        kind: tells these files from those of strategies.
        schema_version: of this format.
        metanas: version of the package.
        numpy: version of NumPy.
        code: hash of the package's source of encodings, predictors and spaces.
        board: name of the board.
        rules_sha256: hash of the board's rules.
        target: name of the target.
        table: name of the table that holds it.
        table_sha256: hash of that table.
        sources: tables that sources came from: name -> hash.
        predictor: who predicted.
        seed: of the run.
        fits: by the number of examples, ascending.
        declined: number of examples that the predictor cannot learn from -> its reason.
        seal: hash of all of the above.
        figures: what the predictions come to, one for each fit.
    """

    CLAIM: ClassVar[str] = "figures"

    kind: Literal["predictor"] = "predictor"
    schema_version: Literal[1] = 1
    metanas: str
    numpy: str
    code: Sha256
    board: str
    rules_sha256: Sha256
    target: str
    table: str
    table_sha256: Sha256
    sources: dict[str, Sha256]
    predictor: StrategyPart
    seed: Annotated[int, Field(ge=0)]
    fits: tuple[FitPart, ...]
    declined: dict[str, str]
    seal: str = ""
    figures: tuple[FiguresPart, ...] = ()


def fit_and_predict(
    board: PredictorBoard, target: Target, source: PredictorSource, seed: int
) -> tuple[list[FitPart], dict[str, str]]:
    """Let a predictor learn from each number of examples and predict all candidates of the target.

    Returns:
        What came of it, and the reasons of a predictor that cannot learn from so few.

    Raises:
        PredictorError: it raised something else, or broke its contract.
    """
    fits, declined = [], {}
    for n in board.shots:
        try:
            fits.append(_fit(board, target, source, seed, n))
        except InvalidValueError as error:
            declined[str(n)] = str(error)
        except PredictorError:
            raise
        except (Exception, SystemExit) as error:
            msg = f"Predictor {source.name!r} failed on {target.name} with {n} examples: {describe(error)}"
            raise PredictorError(msg) from error
    return fits, declined


def _fit(board: PredictorBoard, target: Target, source: PredictorSource, seed: int, n: int) -> FitPart:
    rng = generator(board.name, target.name, source.name, seed, n)
    space = load_space(board.space)
    sources = None if target.sources is None else target.sources.copy()  # the predictor's own
    start = time.process_time()
    predictor = source.build(space, rng, sources, log=board.logarithm)
    examples = _examples(board, target, predictor, seed, n)
    if n:
        predictor.fit(examples, target.label[target.places(examples)])
    fitted = time.process_time()
    prediction = predictor.predict(target.candidates) if n else _prior(predictor, source, target)
    ended = time.process_time()
    mean, std = _checked(prediction, source, len(target.candidates))
    return FitPart(
        n=n,
        examples=tuple(examples.tolist()),
        mean=pack(mean),
        std=None if std is None else pack(std),
        fit_seconds=round(fitted - start, 6),
        predict_seconds=round(ended - fitted, 6),
    )


def _examples(board: PredictorBoard, target: Target, predictor: Predictor, seed: int, n: int) -> Ints:
    propose = getattr(predictor, "propose", None)
    if not n or board.examples == "drawn" or propose is None:
        return target.draw(board, seed, n)
    chosen = np.asarray(propose(n))
    if chosen.shape != (n,) or chosen.dtype.kind not in "iu" or len(np.unique(chosen)) < n:
        msg = f"propose({n}) must return so many different indices, but gave {chosen!r}."
        raise PredictorError(msg)
    try:
        target.places(chosen)
    except InvalidValueError as error:
        raise PredictorError(str(error)) from error
    return chosen.astype(np.int64)


def _prior(predictor: Predictor, source: PredictorSource, target: Target) -> Prediction:
    """Return what a predictor says without any example of the target."""
    prior = getattr(predictor, "prior", None)
    if prior is None:
        msg = f"{source.name!r} needs examples: it has no prior(archs)."
        raise InvalidValueError(msg)
    return Prediction(np.asarray(prior(target.candidates), dtype=np.float64), None)


def _checked(prediction: Prediction, source: PredictorSource, m: int) -> tuple[Floats, Floats | None]:
    for what, values in (("mean", prediction.mean), ("std", prediction.std)):
        if values is not None and not (np.shape(values) == (m,) and np.isfinite(values).all()):
            msg = f"The {what} that {source.name!r} predicts of {m} architectures must be as many finite numbers."
            raise PredictorError(msg)
    return prediction.mean, prediction.std


def scored(board: PredictorBoard, target: Target, fits: list[FitPart] | tuple[FitPart, ...]) -> tuple[FiguresPart, ...]:
    """Return the figures of every fit, from its examples and predictions.

    Raises:
        InvalidFileError: predictions that are not one for each candidate.
        InvalidValueError: an example that is no candidate.
    """
    m = len(target.candidates)
    found = []
    for fit in fits:
        std = None if fit.std is None else unpack(fit.std, m)
        entry = figures(board, target, np.array(fit.examples, dtype=np.int64), unpack(fit.mean, m), std)
        found.append(_part(fit.n, entry))
    return tuple(found)


def _part(n: int, entry: Figures) -> FiguresPart:
    values = entry._asdict()
    return FiguresPart(n=n, **{**values, "coverage": None if math.isnan(entry.coverage) else entry.coverage})


def pack(values: Floats) -> str:
    """Return numbers as base64 of little-endian 32-bit floats."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def unpack(text: str, m: int) -> Floats:
    """Return the ``m`` numbers of :func:`pack`; raise ``InvalidFileError`` if they are not ``m`` or not finite."""
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float64)
    except ValueError as error:
        msg = f"Predictions must be base64 of 32-bit floats: {error}."
        raise InvalidFileError(msg) from error
    if values.shape != (m,) or not np.isfinite(values).all():
        msg = f"A run must have {m} finite predictions, one for each architecture of its target; got {len(values)}."
        raise InvalidFileError(msg)
    return values


def read_predictor_run(path: Path) -> PredictorRun:
    """Read a run; raise :class:`~metanas.errors.InvalidFileError` saying which field is wrong."""
    return read_json(path, PredictorRun, "run of a predictor")


def is_predictor_run(path: Path) -> bool:
    """Return whether a file says that it is a run of a predictor."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == KIND
