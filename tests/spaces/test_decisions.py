"""Architectures as rows of choices, in every space that has decisions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError
from metanas.spaces import DecisionSpace, load_space, with_decisions

SIZES = {
    "nb201": (5,) * 6,
    "nb201-conv": (4,) * 6,
    "nb101": (2,) * 21 + (3,) * 5,
    "nbgraph": (9,) * 5,
    "nbgraph-proteins": (9, 5, 5, 5, 5),
}


@pytest.mark.parametrize("name", SIZES)
def test_choices_and_architectures_are_one_to_one(name: str) -> None:
    space, rng = with_decisions(load_space(name)), np.random.default_rng(0)
    assert space.decisions == SIZES[name]
    seen = [set[int]() for _ in space.decisions]
    for _ in range(300):
        arch = space.sample(rng)
        choices = space.choices(arch)
        assert space.from_choices(choices) == arch
        for values, choice in zip(seen, choices, strict=True):
            values.add(choice)
    assert seen == [set(range(n)) for n in space.decisions]  # every choice occurs


def test_all_choices_of_a_small_space_are_the_space() -> None:
    space = with_decisions(load_space("nb201-conv"))
    made = {space.from_choices(choices) for choices in itertools.product(*(range(n) for n in space.decisions))}
    assert len(made) == 4096
    assert made == {space.check(arch) for arch in made}


@pytest.mark.parametrize(
    ("name", "choices", "expected"),
    [
        ("nb201-conv", (0, 1, 2, 3, 4, 0), r"below its entry of \(4, 4, 4, 4, 4, 4\); got \(0, 1, 2, 3, 4, 0\)"),
        ("nb201", (0, 1), r"got \(0, 1\)"),
        ("nb201", (0, 0, 0, 0, 0, -1), r"got \(0, 0, 0, 0, 0, -1\)"),
        ("nb101", (0,) * 26, "needs a path from the input to the output"),
        ("nb101", (1,) * 21 + (0,) * 5, "at most 9 edges"),
        ("nbgraph", (0, 8, 8, 8, 8), "skip"),
    ],
)
def test_choices_that_are_no_architecture_are_refused(name: str, choices: tuple[int, ...], expected: str) -> None:
    with pytest.raises(InvalidArchError, match=expected):
        with_decisions(load_space(name)).from_choices(choices)


class Undecided:
    """A space without decisions."""

    def __init__(self) -> None:
        self.name = "undecided"

    def sample(self, rng: np.random.Generator) -> Arch:
        return Arch("undecided", ())


def test_a_space_without_decisions_is_said() -> None:
    space = Undecided()
    assert not isinstance(space, DecisionSpace)
    with pytest.raises(InvalidValueError, match="needs a space of fixed decisions, and 'undecided' has none"):
        with_decisions(space)  # type: ignore[arg-type]
