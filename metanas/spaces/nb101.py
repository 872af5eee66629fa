"""The space of NAS-Bench-101: cells of up to seven vertices and nine edges, 423,624 of them up to isomorphism.

Ying, Klein, Real, Christiansen, Murphy and Hutter, "NAS-Bench-101: Towards Reproducible Neural Architecture Search",
ICML 2019 (arXiv:1902.09635), section 2. A cell is a directed acyclic graph: vertex 0 is the input, vertex 6 the output,
the vertices 1 to 5 carry one of three operations. Vertices that lie on no path from the input to the output are pruned;
a cell is valid if something is left and it has at most nine edges.

**Code.** 21 bits, the upper triangle of the 7x7 adjacency matrix row by row, then the operations of the vertices 1 to
5. A smaller cell is one whose other vertices are dead. The paper's search methods walk over exactly these codes, dead
vertices included, so that the code keeps them; :meth:`Nb101Space.canonical` drops them.

**Index.** The code read as a number, ``bits * 3**5 + operations``, below ``2**21 * 3**5`` = 509,607,936: arithmetic and
no list. Not every number is a valid cell, a class has many numbers, and a list of all of them is too long to ship or to
hold. The space therefore has no ``len`` and no ``indices`` (it is a :class:`~metanas.spaces.base.Space`, not a
:class:`~metanas.spaces.base.ListedSpace`): a table brings the list of the cells that it holds.

**Text.** The vertices 1 to 5 and the output, each with the numbers of its sources, joined by ``|``:
``conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,2)``. Vertices just before the output that have no edges and the first
operation are left out, so that a small cell is a short text.

**Identity.** :meth:`Nb101Space.canonical` compares graphs exactly. :meth:`Nb101Space.isomorphism_hash` is the MD5 that
names a cell in the published files.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from metanas.arch import Arch
from metanas.errors import InvalidArchError, InvalidValueError
from metanas.spaces.base import Cell, Graph, arch_of_choices, too_many_vertices

NAME = "nb101"
OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")  # numbered as in the published files
VERTICES = 7
MAX_EDGES = 9
OUTPUT = VERTICES - 1
INNER = VERTICES - 2
EDGES = tuple(itertools.combinations(range(VERTICES), 2))  # (source, target), row by row
SIZE = 2 ** len(EDGES) * len(OPS) ** INNER  # of the index range
_VALUES = ((0, 1),) * len(EDGES) + (tuple(range(len(OPS))),) * INNER  # of each entry of a code

_FORM = "conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,2)"
_VERTEX = re.compile(r"([^()|]+)\(([0-9]*(?:,[0-9]+)*)\)")
_INPUT_LABEL, _OUTPUT_LABEL = -1, -2
_CACHED = 2**16  # cells; some 20 MB

Code = tuple[int, ...]


class _Pruned(NamedTuple):
    """What is left of a cell: vertices in their order, and for each the positions of its sources as a bit mask."""

    vertices: tuple[int, ...]
    sources: tuple[int, ...]
    ops: tuple[int, ...]  # with the labels of input and output


class Nb101Space:
    """The cells of NAS-Bench-101."""

    name = NAME

    def __repr__(self) -> str:
        """Show the name and the size."""
        return f"<space {NAME}: 423,624 cells up to isomorphism, operations {', '.join(OPS)}>"

    def check(self, arch: Arch) -> Arch:
        """Return ``arch``; raise ``InvalidArchError`` if it is not a valid cell."""
        if not isinstance(arch, Arch):
            msg = f"An architecture must be a metanas.Arch, but got {type(arch).__name__}: {str(arch)[:80]!r}."
            raise InvalidArchError(msg)
        if arch.space != NAME:
            msg = f"Space {NAME!r} takes architectures of {NAME!r}, but got one of {arch.space!r}."
            raise InvalidArchError(msg)
        code = arch.code
        edges, ops = code[: len(EDGES)], code[len(EDGES) :]
        if len(ops) != INNER or any(bit not in (0, 1) for bit in edges) or any(op not in range(len(OPS)) for op in ops):
            named = ", ".join(f"{number}={op}" for number, op in enumerate(OPS))
            msg = f"A code of {NAME!r} has {len(EDGES)} edges, 0 or 1, and {INNER} operations of {named}; got {code}."
            raise InvalidArchError(msg)
        if not _valid(code):
            _refuse(code)
        return arch

    def parse(self, text: str) -> Arch:
        """Read ``conv3x3-bn-relu(0)|maxpool3x3(0,1)|output(0,2)``; raise ``InvalidArchError`` saying what is wrong."""
        parts = text.strip().split("|")
        if not 1 <= len(parts) <= OUTPUT:
            msg = f"A cell has at most {INNER} operations and the output, as in {_FORM}; got {len(parts)} in {text!r}."
            raise InvalidArchError(msg)
        edges: set[tuple[int, int]] = set()
        ops = [0] * INNER
        for vertex, part in enumerate(parts, start=1):
            last = vertex == len(parts)
            match = _VERTEX.fullmatch(part.strip())
            if match is None:
                msg = f"Vertex {vertex} is written operation(sources), as in {_FORM}; got {part!r} in {text!r}."
                raise InvalidArchError(msg)
            name, sources = match[1], [int(source) for source in match[2].split(",") if source]
            if last != (name == "output") or not (last or name in OPS):
                known = "output, and it alone," if last else f"one of {', '.join(OPS)}"
                msg = f"Vertex {vertex} of {len(parts)} must be {known} but got {name!r} in {text!r}."
                raise InvalidArchError(msg)
            if sources != sorted(set(sources)) or any(source >= vertex for source in sources):
                msg = f"The sources of vertex {vertex} ascend and come before it, but got ({match[2]}) in {text!r}."
                raise InvalidArchError(msg)
            if not last:
                ops[vertex - 1] = OPS.index(name)
            edges |= {(source, OUTPUT if last else vertex) for source in sources}
        return self.check(Arch(NAME, (*(int(edge in edges) for edge in EDGES), *ops)))

    def format(self, arch: Arch) -> str:
        """Write the standard form, dead vertices too, unless they are what ``parse`` fills in (see the module)."""
        code = self.check(arch).code
        sources = _sources(code)
        ops = _ops(code)
        last = max((vertex for vertex in range(1, OUTPUT) if _has_edge(sources, vertex) or ops[vertex - 1]), default=0)
        parts = [f"{OPS[ops[vertex - 1]]}({_listed(sources[vertex])})" for vertex in range(1, last + 1)]
        return "|".join((*parts, f"output({_listed(sources[OUTPUT])})"))

    def from_matrix(self, matrix: ArrayLike, ops: Sequence[int]) -> Arch:
        """Return the cell with an adjacency matrix, as published cells are written.

        Args:
            matrix: upper triangular, 0 or 1, ``(n, n)`` with ``n <= 7``; the last vertex is the output.
            ops: number in ``OPS`` of the vertices between input and output, ``(n - 2,)``.

        Raises:
            InvalidArchError: it is no cell of the space.
        """
        array = np.asarray(matrix)
        n = len(array)
        cells = array.tolist() if array.shape == (n, n) and 2 <= n <= VERTICES and len(ops) == n - 2 else []
        there = {(source, target): bit for source, row in enumerate(cells) for target, bit in enumerate(row) if bit}
        if not cells or any(source >= target or bit != 1 for (source, target), bit in there.items()):
            msg = (
                f"A cell has an upper triangular matrix of 0 and 1 with 2 to {VERTICES} vertices and an operation for "
                f"each but the first and the last; got the shape {array.shape} and {len(ops)} operations."
            )
            raise InvalidArchError(msg)
        place = [*range(n - 1), OUTPUT]
        edges = {(place[source], place[target]) for source, target in there}
        filled = [int(op) for op in ops] + [0] * (VERTICES - n)
        return self.check(Arch(NAME, (*(int(edge in edges) for edge in EDGES), *filled)))

    def arch(self, index: int) -> Arch:
        """Return the cell whose code reads as that number; raise ``InvalidArchError`` if it is no valid cell."""
        if not 0 <= index < SIZE:
            msg = f"0 <= index < {SIZE} must hold in space {NAME!r}, but got index={index}."
            raise InvalidArchError(msg)
        code = _decode(int(index))
        if not _valid(code):
            _refuse(code)
        return Arch(NAME, code)

    def index(self, arch: Arch) -> int:
        """Return the number that the code reads as."""
        return _encode(self.check(arch).code)

    def sample(self, rng: np.random.Generator) -> Arch:
        """Draw a valid code uniformly: every edge with chance 1/2, every operation with 1/3, anew until it is valid.

        So does random search in the authors' code. Uniform over codes is not uniform over classes.
        """
        while True:
            code = _decode(int(rng.integers(SIZE)))
            if _valid(code):
                return Arch(NAME, code)

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Return the valid cells with one edge more or less, or one operation changed: at most 31, edges first.

        The relation is symmetric on codes. Some neighbours differ in dead vertices only and are the same function.
        """
        code = self.check(arch).code
        changed = [(*code[:at], 1 - code[at], *code[at + 1 :]) for at in range(len(EDGES))]
        for at in range(len(EDGES), len(code)):
            changed += [(*code[:at], op, *code[at + 1 :]) for op in range(len(OPS)) if op != code[at]]
        return [Arch(NAME, other) for other in changed if _valid(other)]

    def mutate(self, arch: Arch, rng: np.random.Generator) -> Arch:
        """Flip every edge with chance 1/7, change every operation with chance 1/5, anew until the cell is valid.

        As in the authors' regularized evolution with mutation rate 1: three edges and one operation change on the
        mean, now and then nothing does, and much of it is pruned. Not a uniformly drawn neighbour.
        """
        code = self.check(arch).code
        while True:
            flip = (rng.random(len(EDGES)) < 1 / VERTICES).tolist()
            step = np.where(rng.random(INNER) < 1 / INNER, rng.integers(1, len(OPS), size=INNER), 0).tolist()
            edges = [bit ^ turned for bit, turned in zip(code[: len(EDGES)], flip, strict=True)]
            ops = [(op + by) % len(OPS) for op, by in zip(code[len(EDGES) :], step, strict=True)]
            child = (*edges, *ops)
            if _valid(child):
                return Arch(NAME, child)

    def crossover(self, first: Arch, second: Arch, rng: np.random.Generator) -> Arch:
        """Take each edge and each operation from either parent with equal chance, anew until the cell is valid."""
        mine, other = self.check(first).code, self.check(second).code
        while True:
            mask = (rng.random(len(mine)) < 0.5).tolist()
            child = tuple([a if take else b for take, a, b in zip(mask, mine, other, strict=True)])
            if _valid(child):
                return Arch(NAME, child)

    @property
    def decisions(self) -> tuple[int, ...]:
        """Two choices for each possible edge (0: it is not there), three for each operation, ``(26,)``."""
        return tuple(len(values) for values in _VALUES)

    def choices(self, arch: Arch) -> tuple[int, ...]:
        """Return the code itself, ``(26,)``."""
        return self.check(arch).code

    def from_choices(self, choices: Sequence[int]) -> Arch:
        """Return the cell with that code; raise ``InvalidArchError`` if it is no valid cell."""
        arch = arch_of_choices(NAME, NAME, _VALUES, choices)
        if not _valid(arch.code):
            _refuse(arch.code)
        return arch

    @property
    def inner_vertices(self) -> int:
        """The vertices 1 to 5."""
        return INNER

    @property
    def vertex_ops(self) -> tuple[int, ...]:
        """All three."""
        return tuple(range(len(OPS)))

    @property
    def edge_ops(self) -> tuple[int, ...]:
        """Edges carry no operations."""
        return (0,)

    def from_wiring(self, vertices: Sequence[int], edges: Mapping[tuple[int, int], int]) -> Arch:
        """Return the cell of a graph, the smaller ones with dead vertices at the end."""
        if len(vertices) > INNER:
            raise too_many_vertices(NAME, len(vertices), INNER)
        place = [*range(len(vertices) + 1), OUTPUT]
        placed = {(place[source], place[target]) for source, target in edges}
        ops = (*vertices, *(0,) * (INNER - len(vertices)))
        return self.check(Arch(NAME, (*(int(edge in placed) for edge in EDGES), *ops)))

    def canonical(self, arch: Arch) -> Arch:
        """Return the representative of the isomorphism class after pruning: live vertices first, in the least order."""
        return Arch(NAME, _canonical(self.check(arch).code))

    def isomorphism_hash(self, arch: Arch) -> str:
        """Return the hash that names the cell in the published files: 32 hexadecimal digits, invariant, pruned."""
        pruned = _prune(self.check(arch).code)
        n = len(pruned.vertices)
        sources = [[s for s in range(n) if pruned.sources[v] >> s & 1] for v in range(n)]
        targets = [[t for t in range(n) if v in sources[t]] for v in range(n)]
        hashes = [_md5(str((len(targets[v]), len(sources[v]), pruned.ops[v]))) for v in range(n)]
        for _ in range(n):
            before = ["".join(sorted(hashes[source] for source in sources[v])) for v in range(n)]
            behind = ["".join(sorted(hashes[target] for target in targets[v])) for v in range(n)]
            hashes = [_md5("|".join(parts)) for parts in zip(before, behind, hashes, strict=True)]
        return _md5(str(sorted(hashes)))

    def graph(self, arch: Arch) -> Graph:
        """Return the cell as written, dead vertices too."""
        code = self.check(arch).code
        edges = tuple(edge for edge, there in zip(EDGES, code, strict=False) if there)
        return Graph(ops=("input", *(OPS[op] for op in _ops(code)), "output"), edges=edges)

    def cell(self, arch: Arch) -> Cell:
        """Raise ``InvalidValueError``: these cells are no sums of terms, and metanas does not train them."""
        self.check(arch)
        msg = (
            f"Cells of {NAME!r} concatenate, project and pool by the maximum; metanas does not train them. Measured "
            f"values come from the published table (metanas import nb101)."
        )
        raise InvalidValueError(msg)


def _sources(code: Code) -> list[int]:
    """Return the sources of each vertex as a bit mask."""
    sources = [0] * VERTICES
    for (source, target), there in zip(EDGES, code, strict=False):
        if there:
            sources[target] |= 1 << source
    return sources


def _ops(code: Code) -> Code:
    return code[len(EDGES) :]


def _has_edge(sources: Sequence[int], vertex: int) -> bool:
    return bool(sources[vertex]) or any(mask >> vertex & 1 for mask in sources)


def _listed(mask: int) -> str:
    return ",".join(str(source) for source in range(VERTICES) if mask >> source & 1)


def _live(sources: Sequence[int]) -> int:
    """Return the vertices on a path from the input to the output, as a bit mask; 0 if there is no path."""
    reached = 1
    for vertex in range(1, VERTICES):
        if sources[vertex] & reached:
            reached |= 1 << vertex
    needed = 1 << OUTPUT
    for vertex in range(OUTPUT, 0, -1):
        if needed >> vertex & 1:
            needed |= sources[vertex]
    live = reached & needed
    return live if live & 1 and live >> OUTPUT & 1 else 0


def _count(sources: Sequence[int], live: int) -> int:
    return sum((sources[vertex] & live).bit_count() for vertex in range(VERTICES) if live >> vertex & 1)


def _valid(code: Code) -> bool:
    sources = _sources(code)
    live = _live(sources)
    return live != 0 and _count(sources, live) <= MAX_EDGES


def _refuse(code: Code) -> NoReturn:
    live = _live(_sources(code))
    msg = (
        f"A cell has at most {MAX_EDGES} edges on paths from the input to the output; this one has "
        f"{_count(_sources(code), live)}."
        if live
        else "A cell needs a path from the input to the output, and this one has none."
    )
    raise InvalidArchError(msg)


def _prune(code: Code) -> _Pruned:
    """Drop dead vertices; the rest keeps its order."""
    sources = _sources(code)
    live = _live(sources)
    vertices = tuple(vertex for vertex in range(VERTICES) if live >> vertex & 1)
    masks = tuple(
        sum(1 << position for position, source in enumerate(vertices) if sources[vertex] >> source & 1)
        for vertex in vertices
    )
    labels = (_INPUT_LABEL, *_ops(code), _OUTPUT_LABEL)
    return _Pruned(vertices, masks, tuple(int(labels[vertex]) for vertex in vertices))


@lru_cache(maxsize=_CACHED)
def _canonical(code: Code) -> Code:
    """Return the least code of the class.

    A graph is written as the sequence of (operation, sources as a mask) of its vertices in a topological order; the
    least such sequence over all orders is the same for isomorphic graphs.
    """
    pruned = _prune(code)
    order = min(_least_orders(pruned, (0,), ()))
    n = len(pruned.vertices)
    place = [*range(n - 1), OUTPUT]
    edges = {(place[s], place[v]) for v, (_, mask) in enumerate(order, start=1) for s in range(n) if mask >> s & 1}
    ops = [op for op, _ in order[:-1]] + [0] * (VERTICES - n)
    return (*(int(edge in edges) for edge in EDGES), *ops)


_Written = tuple[tuple[int, int], ...]


def _least_orders(pruned: _Pruned, placed: tuple[int, ...], written: _Written) -> Iterator[_Written]:
    """Yield the sequences that arise from always placing a vertex with the least entry; equal ones branch."""
    n = len(pruned.vertices)
    if len(placed) == n - 1:
        yield (*written, (_OUTPUT_LABEL, _renamed(pruned.sources[n - 1], placed)))
        return
    done = sum(1 << vertex for vertex in placed)
    entries = {
        vertex: (pruned.ops[vertex], _renamed(pruned.sources[vertex], placed))
        for vertex in range(1, n - 1)
        if not done >> vertex & 1 and not pruned.sources[vertex] & ~done
    }
    least = min(entries.values())
    for vertex, entry in entries.items():
        if entry == least:
            yield from _least_orders(pruned, (*placed, vertex), (*written, entry))


def _renamed(mask: int, placed: tuple[int, ...]) -> int:
    return sum(1 << position for position, vertex in enumerate(placed) if mask >> vertex & 1)


def _encode(code: Code) -> int:
    number = 0
    for bit in code[: len(EDGES)]:
        number = 2 * number + int(bit)
    for op in _ops(code):
        number = len(OPS) * number + int(op)
    return number


def _decode(number: int) -> Code:
    code = []
    for _ in range(INNER):
        number, op = divmod(number, len(OPS))
        code.append(op)
    for _ in EDGES:
        number, bit = divmod(number, 2)
        code.append(bit)
    return tuple(code[::-1])


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


SPACE = Nb101Space()
