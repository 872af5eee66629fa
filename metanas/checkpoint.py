"""A journal of a run that is under way, so that an interrupted run is taken up again exactly where it stopped.

Nothing of a strategy is stored: its state may be anything, and a pickle of it would be code. The journal holds what the
strategy asked for and what it was answered, one line of JSON for each. To resume is to build the strategy from its seed
and to let it search again: all that it does derives from the seed and from what it is told, so it asks for the same
trials, and they are answered from the journal. No training is made twice; the strategy's own work is. A strategy that
chooses otherwise than the journal says is refused, for it does not derive from its seed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metanas.arch import Arch
from metanas.errors import StrategyError
from metanas.oracles import Answer, Oracle, Values

_NAN = float("nan")


class Journal:
    """An oracle that writes down what another one answers, and answers from there what is already written.

    A line that a kill cut short is dropped. A journal with another head (of another run, or of other code) is
    discarded.

    Attributes:
        space: as the other oracle's.
        epochs: as the other oracle's.
        timed: as the other oracle's.
        resumed: how many answers were in the journal when it was opened.
    """

    def __init__(self, oracle: Oracle, path: Path, head: Mapping[str, Any], *, every: float = 0.0) -> None:
        """Open the journal at ``path``, which need not exist.

        Args:
            oracle: what answers.
            path: the file; its folder is made.
            head: what identifies the run, as plain JSON.
            every: seconds between two writes to the disk; 0 writes each answer at once.
        """
        self.space, self.epochs, self.timed = oracle.space, oracle.epochs, oracle.timed
        self._oracle, self._path, self._every = oracle, path, every
        self._answers: list[tuple[int, int, Answer]] = []
        self._seconds: dict[tuple[int, int], float] = {}
        self._pending: list[str] = []
        self._written = time.monotonic()
        kept = self._read(json.dumps({"head": head}, sort_keys=True))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(kept)
        if not kept:
            self._write({"head": head})
        self.resumed = len(self._answers)
        self._position = 0

    def index(self, arch: Arch) -> int:
        """Return the index of ``arch``; raise :class:`~metanas.errors.InvalidArchError` outside the space."""
        return self._oracle.index(arch)

    def answer(self, index: int, epochs: int) -> Answer:
        """Return the journal's next answer, or the oracle's, which is written down.

        Raises:
            StrategyError: the journal says that something else was asked for.
        """
        if self._position < self.resumed:
            known_index, known_epochs, answer = self._answers[self._position]
            self._position += 1
            if (index, epochs) != (known_index, known_epochs):
                msg = (
                    f"Trial {self._position} was architecture {known_index} for {known_epochs} epochs before the "
                    f"interruption, but the strategy now asks for {index} for {epochs}. A strategy must derive from "
                    f"its seed alone. Remove {self._path} to start the run anew."
                )
                raise StrategyError(msg)
            return answer
        answer = self._oracle.answer(index, epochs)
        curve = None if answer.curve is None else [_plain(value) for value in answer.curve.tolist()]
        values = {name: _plain(value) for name, value in answer.values.items()}
        self._write({"trial": [index, epochs], "values": values, "curve": curve})
        return answer

    def seconds(self, index: int, epochs: int) -> float:
        """Return the seconds of training from scratch, from the journal where it has them."""
        known = self._seconds.get((index, epochs))
        if known is None:
            known = self._seconds[index, epochs] = self._oracle.seconds(index, epochs)
            self._write({"seconds": [index, epochs, _plain(known)]})
        return known

    def flush(self) -> None:
        """Write what is not yet on the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(self._pending))
            file.flush()
            os.fsync(file.fileno())
        self._pending.clear()
        self._written = time.monotonic()

    def remove(self) -> None:
        """Delete the journal: the run is finished."""
        self._pending.clear()
        self._path.unlink(missing_ok=True)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._pending.append(json.dumps(line, sort_keys=True, allow_nan=False) + "\n")
        if time.monotonic() - self._written >= self._every:
            self.flush()

    def _read(self, head: str) -> int:
        """Take in the journal; return the length of what is whole, 0 if there is no journal of this run."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError:
            return 0
        if lines[0] != head.encode() or len(lines) == 1:
            return 0
        kept = len(lines[0]) + 1
        for line in lines[1:-1]:  # the last has no end: it is empty or cut short
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if "seconds" in entry:
                index, epochs, seconds = entry["seconds"]
                self._seconds[index, epochs] = _number(seconds)
            else:
                curve = None if entry["curve"] is None else np.array([_number(value) for value in entry["curve"]])
                values = Values({name: _number(value) for name, value in entry["values"].items()})
                self._answers.append((*entry["trial"], Answer(values, curve)))
            kept += len(line) + 1
        return kept


def _plain(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124, RUF100  (NaN alone differs from itself, and is no JSON)


def _number(value: float | None) -> float:
    return _NAN if value is None else value
