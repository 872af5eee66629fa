"""The contract of a predictor, as a function that raises where it is broken.

from metanas.checks import check_predictor

def test_my_predictor():
    check_predictor(my_module.build)
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metanas.arch import Arch
from metanas.encodings import encode
from metanas.errors import InvalidArchError, InvalidValueError, PredictorError
from metanas.predictors import Prediction, Predictor, make_predictor
from metanas.spaces import Space, load_space

Build = Callable[..., Predictor]
Floats = NDArray[np.float64]

_QUESTIONS = 40  # architectures that no example is
_LEAST_CORRELATION = 0.2  # between prediction and truth; by chance one in a hundred is above 0.37, most below 0.2


class _Examples(NamedTuple):
    space: Space
    archs: list[Arch]
    y: Floats
    asked: list[Arch]
    truth: Floats


def check_predictor(
    build: Build | str,
    *,
    spaces: Sequence[str] = ("nb201", "nb201-conv", "nb101"),
    examples: int = 40,
    by_class: bool = True,
    **config: Any,
) -> None:
    """Check that a predictor keeps its contract, on made-up values that depend on the function alone.

    The same seed must give the same predictions, and fitting again must forget; predictions must be in the unit of the
    values, follow them, and not depend on what else is asked; functionally equal architectures must have equal ones;
    bad input must be refused; and the global random state must be left alone.

    Args:
        build: ``build(space, rng, *, scores=None, **config)``, or the name of a predictor of the package.
        spaces: names of the spaces that it must work on.
        examples: how many it is fitted on.
        by_class: functionally equal architectures must have equal predictions.
        config: settings of the predictor.

    Raises:
        PredictorError: it breaks the contract; the message says where.
    """
    for name in spaces:
        made = _examples(load_space(name), examples)

        def make(seed: int = 0, space: Space = made.space) -> Predictor:
            rng = np.random.default_rng(seed)
            if isinstance(build, str):
                return make_predictor(build, space, rng, **config)
            return build(space, rng, scores=None, **config)

        what = f"Predictor {build if isinstance(build, str) else getattr(build, '__module__', build)!r} on {name}:"
        first = _check_answers(make, made, what)
        _check_same(make, made, first, what)
        _check_unit(make, made, first, what)
        if by_class:
            _check_classes(make, made, what)
        _check_refusals(make, made, what)


def _examples(space: Space, n: int) -> _Examples:
    """Draw architectures, all of different functions, and values from 20 to 90 that depend on the function."""
    rng = np.random.default_rng(0)
    drawn: dict[Arch, Arch] = {}
    while len(drawn) < n + _QUESTIONS:
        arch = space.sample(rng)
        drawn.setdefault(space.canonical(arch), arch)
    archs = [drawn[key] for key in drawn]
    vectors = encode(space, archs, "functional").astype(np.float64)
    spread = vectors.std(axis=0)
    standard = (vectors - vectors.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    # Features of a few live parts each: a sum over all of them, alike in sign, so that more of a thing is better.
    height = standard @ rng.random(standard.shape[1])
    y = 20 + 70 * (height - height.min()) / np.ptp(height)
    return _Examples(space, archs[:n], y[:n], archs[n:], y[n:])


def _check_answers(make: Callable[..., Predictor], made: _Examples, what: str) -> Prediction:
    predictor = make()
    if not isinstance(predictor, Predictor):
        _fail(f"{what} build() must return what has fit(archs, y) and predict(archs), but gave {type(predictor)}")
    y = made.y.copy()
    if predictor.fit(made.archs, y) is not predictor:
        _fail(f"{what} fit() must return the predictor itself")
    if not np.array_equal(y, made.y):
        _fail(f"{what} fit() changed the values that it was handed")
    answer = predictor.predict(made.asked)
    for part, values in (("mean", answer.mean), ("std", answer.std)):
        if values is not None and not (values.shape == made.truth.shape and np.isfinite(values).all()):
            _fail(f"{what} the {part} of {len(made.truth)} architectures must be as many finite numbers; got {values}")
    if answer.std is not None and not (answer.std > 0).all():
        _fail(f"{what} the standard deviation must be positive, but the least is {answer.std.min()}")
    correlation = np.corrcoef(answer.mean, made.truth)[0, 1]
    if not correlation > _LEAST_CORRELATION:
        _fail(f"{what} its predictions must follow the values, but correlate by {correlation:.2f}")
    order = np.random.default_rng(1).permutation(len(made.asked))
    indices = np.array([made.space.index(arch) for arch in made.asked])
    _check_close(predictor.predict(indices[order]).mean, answer.mean[order], f"{what} another order of questions")
    _check_close(predictor.predict(made.asked[:1]).mean, answer.mean[:1], f"{what} one question alone")
    if len(predictor.predict([]).mean):
        _fail(f"{what} no question must have no answer")
    return answer


def _check_same(make: Callable[..., Predictor], made: _Examples, first: Prediction, what: str) -> None:
    before = _global_state()  # only now: the first fit imports, and some packages draw while they are imported
    predictor = make().fit(made.archs, made.y)
    again = predictor.predict(made.asked)
    if _global_state() != before:
        _fail(f"{what} it draws from a global random state; draw from the generator that build() is handed")
    if not all(np.array_equal(a, b) for a, b in zip(first, again, strict=True) if a is not None and b is not None):
        _fail(f"{what} two predictors from the same seed differ")
    half = len(made.asked) // 2 * 2
    predictor.fit(made.asked[:half], -made.truth[:half])
    turned = predictor.predict(made.archs).mean
    if np.corrcoef(turned, made.y)[0, 1] > 0:
        _fail(f"{what} fitted again, on the negative of the values, it must forget what it learned before")


def _check_unit(make: Callable[..., Predictor], made: _Examples, first: Prediction, what: str) -> None:
    scaled = make().fit(made.archs, made.y / 100 - 3).predict(made.asked)
    _check_close(100 * (scaled.mean + 3), first.mean, f"{what} values in another unit")
    if first.std is not None and scaled.std is not None:
        _check_close(100 * scaled.std, first.std, f"{what} the standard deviation of values in another unit")


def _check_classes(make: Callable[..., Predictor], made: _Examples, what: str) -> None:
    predictor, space = make().fit(made.archs, made.y), made.space
    pairs = [(a, b) for a in made.asked for b in space.neighbours(a) if space.canonical(a) == space.canonical(b)][:40]
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    _check_close(
        predictor.predict(left).mean, predictor.predict(right).mean, f"{what} functionally equal architectures"
    )


def _check_refusals(make: Callable[..., Predictor], made: _Examples, what: str) -> None:
    archs, y = made.archs, made.y
    alien = load_space("nbgraph").sample(np.random.default_rng(0))
    fitted = make().fit([*archs, archs[0]], [*y, y[0]])  # the same architecture with the same value is no contradiction
    cases: dict[str, tuple[type[Exception], Callable[[], object]]] = {
        "a question before any fit": (InvalidValueError, lambda: make().predict(archs)),
        "a single example": (InvalidValueError, lambda: make().fit(archs[:1], y[:1])),
        "no example": (InvalidValueError, lambda: make().fit([], [])),
        "equal values": (InvalidValueError, lambda: make().fit(archs, np.ones(len(archs)))),
        "a value that is NaN": (InvalidValueError, lambda: make().fit(archs, [*y[:-1], np.nan])),
        "an infinite value": (InvalidValueError, lambda: make().fit(archs, [*y[:-1], np.inf])),
        "fewer values than architectures": (InvalidValueError, lambda: make().fit(archs, y[:-1])),
        "one architecture with two values": (InvalidValueError, lambda: make().fit([*archs, archs[0]], [*y, y[0] + 1])),
        "an example of another space": (InvalidArchError, lambda: make().fit([*archs[:-1], alien], y)),
        "a question of another space": (InvalidArchError, lambda: fitted.predict([alien])),
    }
    for case, (kind, call) in cases.items():
        try:
            call()
        except kind as error:
            if not str(error).strip():
                _fail(f"{what} {case} raised {kind.__name__} without a text")
        except Exception as error:
            msg = f"{what} {case} must raise {kind.__name__}, but raised {type(error).__name__}: {error}."
            raise PredictorError(msg) from error
        else:
            _fail(f"{what} {case} must raise {kind.__name__}")


def _check_close(values: Floats, others: Floats, broken: str) -> None:
    """Float32 arithmetic in another order may differ in the last digits; more than that is another answer."""
    apart = float(np.abs(values - others).max(initial=0))
    if not apart <= 1e-3 * max(float(np.ptp(others)), 1.0):
        _fail(f"{broken}: predictions differ by {apart}")


def _global_state() -> tuple[object, ...]:
    kind, key, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    states: list[object] = [random.getstate(), kind, np.asarray(key).tobytes(), *rest]
    with contextlib.suppress(KeyError, AttributeError):
        torch = sys.modules["torch"]
        states += [torch.get_rng_state().numpy().tobytes(), torch.get_num_threads()]
    return tuple(states)


def _fail(what: str) -> None:
    msg = f"{what}."
    raise PredictorError(msg)
