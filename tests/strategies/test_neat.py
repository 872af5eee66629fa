from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from metanas.checks import check_strategy
from metanas.errors import InvalidValueError
from metanas.problem import Budget, Objective, Observation, Problem, Trial
from metanas.spaces import WiredSpace, load_space
from metanas.strategies._genome import (
    INPUT,
    OUTPUT,
    Connection,
    Genome,
    History,
    add_connection,
    add_vertex,
    change_op,
    crossover,
    distance,
    express,
    is_overgrown,
    toggle,
)
from metanas.strategies.neat import Member, Neat


def wired(name: str) -> WiredSpace:
    space = load_space(name)
    assert isinstance(space, WiredSpace)
    return space


NB201, NB101 = wired("nb201"), wired("nb101")


def made(space: WiredSpace = NB201, **settings: object) -> Neat:
    problem = Problem(space, (Objective("validation/accuracy"),), 4, Budget(trainings=1000))
    return Neat(problem, np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def tell(strategy: Neat, trial: Trial, value: float) -> None:
    strategy.tell(Observation(trial, {"validation/accuracy": value}, None, 1.0))


def minimal(history: History, op: int = 3) -> Genome:
    return Genome({history.connection(INPUT, OUTPUT): Connection(INPUT, OUTPUT, op)})


def genes(*innovations: int, op: int = 1, off: tuple[int, ...] = ()) -> Genome:
    return Genome({number: Connection(0, 1, op, number not in off) for number in innovations})


def test_equal_structural_changes_get_equal_markings() -> None:
    """Two genomes that split the same connection, at any time, get the same vertex and the same connections."""
    history, rng = History(), np.random.default_rng(0)
    start = minimal(history)
    first = add_vertex(start, NB201, history, rng)
    for _ in range(5):
        add_connection(first, NB201, history, rng)  # other innovations in between
    second = add_vertex(minimal(history, op=2), NB201, history, rng)
    assert first.connections.keys() == second.connections.keys() == {1, 2, 3}
    assert first.vertices.keys() == second.vertices.keys() == {2}
    other = add_vertex(first, NB201, history, rng)  # splits another connection
    assert max(other.connections) > 3
    assert 3 in other.vertices


def test_splitting_keeps_the_old_gene_disabled_and_its_operation_behind_the_new_vertex() -> None:
    history = History()
    grown = add_vertex(minimal(history, op=4), NB201, history, np.random.default_rng(0))
    assert grown.connections[1] == Connection(INPUT, OUTPUT, 4, enabled=False)
    assert (grown.connections[2].source, grown.connections[2].target) == (INPUT, 2)
    assert grown.connections[3] == Connection(2, OUTPUT, 4)


def test_splitting_a_connection_again_gives_another_vertex() -> None:
    history, rng = History(), np.random.default_rng(0)
    once = add_vertex(minimal(history), NB201, history, rng)
    again = Genome({1: Connection(INPUT, OUTPUT, 3)}, once.vertices)  # enabled again, its vertex still there
    twice = add_vertex(again, NB201, history, rng)
    assert twice.vertices.keys() == {2, 3}


def test_a_vertex_between_two_that_split_the_same_connection_lies_between_them() -> None:
    history = History()
    minimal(history)
    connection = Connection(INPUT, OUTPUT, 0)
    older = history.split(1, connection, Genome({}))
    younger = history.split(1, connection, Genome({}, {older: 0}))
    number = history.connection(older, younger)
    between = history.split(number, Connection(older, younger, 0), Genome({}, {older: 0, younger: 0}))
    order = sorted((OUTPUT, younger, between, older, INPUT), key=history.place)
    assert order == [INPUT, older, between, younger, OUTPUT]
    another = history.split(number, Connection(older, younger, 0), Genome({}, {older: 0, younger: 0, between: 0}))
    assert history.place(older) < history.place(between) < history.place(another) < history.place(younger)


def test_a_new_connection_joins_what_is_not_joined_and_never_makes_a_circle() -> None:
    history, rng = History(), np.random.default_rng(0)
    genome = minimal(history)
    for _ in range(3):
        genome = add_vertex(genome, NB101, history, rng)
    for _ in range(30):
        grown = add_connection(genome, NB101, history, rng)
        for gene in grown.connections.values():
            assert history.place(gene.source) < history.place(gene.target)
        added = [gene for gene in grown.connections.values() if gene.enabled]
        assert len({(gene.source, gene.target) for gene in added}) == len(added)
        genome = grown
    assert sum(gene.enabled for gene in genome.connections.values()) == 10  # all pairs of five vertices
    assert add_connection(genome, NB101, history, rng) is genome


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (genes(1, 2, 3), genes(1, 2, 3), 0.0),
        (genes(1, 2, 3), genes(1, 2, 3, op=2), 0.4),  # c3 W
        (genes(1, 2, 5), genes(1, 3, 4), 1.0 + 3.0),  # 5 lies beyond the other's genes: excess; 2, 3, 4 disjoint
        (genes(1, 2, 3, 4, 5), genes(1, 6, 7), 2.0 + 4.0),  # figure 4's picture: the younger genes are excess
    ],
)
def test_the_distance_is_equation_1(first: Genome, second: Genome, expected: float) -> None:
    assert distance(first, second, 1.0, 1.0, 0.4) == pytest.approx(expected)
    assert distance(second, first, 1.0, 1.0, 0.4) == pytest.approx(expected)


def test_the_distance_of_large_genomes_is_relative_and_vertices_count() -> None:
    large, other = genes(*range(1, 31)), genes(*range(1, 25))
    assert distance(large, other, 1.0, 1.0, 0.4) == pytest.approx(6 / 30)
    one, two = (Genome({1: Connection(0, 2, 0)}, {2: op}) for op in (0, 1))
    assert distance(one, two, 1.0, 1.0, 0.4) == pytest.approx(0.2)  # the connection agrees, the vertex does not


def test_crossover_lines_genes_up_by_their_markings() -> None:
    """Figure 4: matching genes come from either parent, disjoint and excess ones from the fitter."""
    rng = np.random.default_rng(0)
    fitter, other = genes(1, 2, 3, 5, op=1), genes(1, 2, 4, 6, op=2)
    children = [crossover(fitter, other, rng) for _ in range(200)]
    assert all(child.connections.keys() == {1, 2, 3, 5} for child in children)
    assert all(child.connections[3].op == child.connections[5].op == 1 for child in children)
    assert {(child.connections[1].op, child.connections[2].op) for child in children} == {
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    }
    equal = Counter(number for _ in range(400) for number in crossover(fitter, other, rng, equal=True).connections)
    assert equal[1] == equal[2] == 400
    assert all(abs(equal[number] - 200) < 50 for number in (3, 4, 5, 6))


def test_a_gene_disabled_in_a_parent_is_disabled_in_three_of_four_children() -> None:
    rng = np.random.default_rng(0)
    off = [not crossover(genes(1, 2), genes(1, 2, off=(2,)), rng).connections[2].enabled for _ in range(2000)]
    assert np.mean(off) == pytest.approx(0.75, abs=0.05)


def test_vertices_come_with_their_connections() -> None:
    rng = np.random.default_rng(0)
    fitter = Genome({1: Connection(0, 2, 0), 2: Connection(2, 1, 0)}, {2: 1})
    other = Genome({1: Connection(0, 2, 0), 3: Connection(0, 3, 0), 4: Connection(3, 1, 0)}, {2: 2, 3: 0})
    ops = {tuple(crossover(fitter, other, rng).vertices.items()) for _ in range(100)}
    assert ops == {((2, 1),), ((2, 2),)}


@pytest.mark.parametrize("name", ["nb201", "nb101", "nbgraph"])
def test_operations_mutate_as_weights_do(name: str) -> None:
    space, history, rng = wired(name), History(), np.random.default_rng(0)
    genome = add_vertex(minimal(history, op=space.edge_ops[0]), space, history, rng)
    for _ in range(50):
        changed = change_op(genome, space, rng)
        assert changed.connections.keys() == genome.connections.keys()
        assert 0 < distance(changed, genome, 0.0, 0.0, 1.0) <= 0.5
        genome = changed


def test_a_genome_is_expressed_as_its_live_part() -> None:
    history, rng = History(), np.random.default_rng(0)
    start = minimal(history, op=3)
    arch = express(start, NB201, history)
    assert arch == NB201.parse("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    assert express(toggle(start, rng), NB201, history) is None  # nothing joins input and output
    grown = add_vertex(start, NB201, history, rng)
    first = grown.connections[2].op
    arch = express(grown, NB201, history)
    assert arch is not None
    assert arch.code == (first, 0, 0, 0, 3, 0)
    dead = Genome({1: Connection(INPUT, OUTPUT, 3), 2: grown.connections[2]}, grown.vertices)
    assert express(dead, NB201, history) == express(start, NB201, history)
    beyond = grown
    for _ in range(40):
        beyond = add_vertex(beyond, NB201, history, rng)
    assert express(beyond, NB201, history) is None  # more vertices than the space has


def test_a_child_that_is_overgrown_starts_from_the_minimal_topology() -> None:
    strategy = made()
    history, genome = strategy._history, minimal(strategy._history)
    while not is_overgrown(genome, NB201):
        genome = add_vertex(genome, NB201, history, np.random.default_rng(0))
    assert express(genome, NB201, history) is None
    grown, arch = strategy._new(genome)
    assert len(grown.vertices) <= 4
    assert express(grown, NB201, history) == arch


def test_species_split_at_the_threshold() -> None:
    strategy = made()
    alike, apart = [Member(1.0, genes(1, 2, op=op)) for op in (1, 2)], Member(1.0, genes(1, 7, 8, 9))
    strategy._speciate([*alike, apart])
    assert [len(species.members) for species in strategy._species] == [2, 1]
    strategy = made(threshold=0.1)
    strategy._speciate([*alike, apart])
    assert [len(species.members) for species in strategy._species] == [1, 1, 1]
    strategy = made(threshold=100.0)
    strategy._speciate([*alike, apart])
    assert [len(species.members) for species in strategy._species] == [3]


def test_a_species_has_children_by_the_mean_of_its_members() -> None:
    """Equation 2: a species of many equals gets no more than one of few."""
    strategy = made(population=1000)
    near, far = genes(1), genes(1, 7, 8, 9)
    strategy._speciate([*[Member(3.0, near)] * 9, Member(3.0, far), Member(0.0, genes(1, 20, 21, 22))])
    counts = Counter(id(species) for species in strategy._shares())
    many, few, worst = (counts[id(species)] for species in strategy._species)
    assert many == pytest.approx(500, abs=80)
    assert few == pytest.approx(500, abs=80)
    assert worst == 0


def test_a_species_that_does_not_improve_has_no_children_unless_it_leads() -> None:
    strategy = made()
    leader, stale = Member(9.0, genes(1)), Member(8.0, genes(1, 7, 8, 9))
    for _ in range(16):
        strategy._speciate([leader, stale, Member(0.0, genes(1))])
    assert [species.stale for species in strategy._species] == [15, 15]
    assert {id(species) for species in strategy._shares()} == {id(strategy._species[0])}


def test_topologies_start_minimal_and_grow() -> None:
    strategy, sizes = made(NB101), []
    for _ in range(400):
        trial = strategy.ask()
        genome = strategy._under_way[trial.arch][-1]
        sizes.append(len(genome.vertices))
        tell(strategy, trial, float(sum(trial.arch.code[:21])))  # more edges are better
    assert sizes[0] == 0
    assert np.mean(sizes[:10]) < 1.5
    assert np.mean(sizes[-100:]) > np.mean(sizes[:20]) + 1


def test_the_champion_of_a_large_species_lives_on_without_a_training() -> None:
    strategy = made(threshold=100.0, population=8)
    best = None
    for number in range(8 + 7):  # the second generation needs one child less
        trial = strategy.ask()
        if number == 3:
            best = strategy._under_way[trial.arch][0]
        tell(strategy, trial, 100.0 if number == 3 else float(number % 3))
    assert [len(species.members) for species in strategy._species] == [8]
    assert strategy._species[0].members[-1] == Member(100.0, best)


def test_nothing_is_asked_twice_until_all_is_known() -> None:
    strategy, seen = made(wired("nb201-conv")), set()
    for _ in range(250):
        trial = strategy.ask()
        assert trial.arch not in seen
        seen.add(trial.arch)
        tell(strategy, trial, float(trial.arch.code.count(3)))


@pytest.mark.parametrize("settings", ["unique=canonical", "population=3,threshold=0.5,alone=0"])
def test_other_settings_keep_the_contract(settings: str) -> None:
    check_strategy(f"neat,{settings}", spaces=("nb201-conv",), trainings=40, seeds=(0,))


@pytest.mark.parametrize("wrong", [{"population": 1}, {"threshold": 0.0}, {"vertex": 1.5}, {"survival": -0.1}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="must hold, but got population="):
        made(**wrong)
