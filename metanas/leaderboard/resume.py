"""What an interrupted ``metanas run`` had finished, so that the next call goes on from there.

While runs are made, a file beside them notes each that is done. What a call noted is forgotten when all of it is done
and shown; what another call noted stays. Whatever ends the process,
the file stays, and the runs that it notes need not be made again, provided that the code is still the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from metanas.errors import InvalidFileError
from metanas.files import atomic_write_text
from metanas.leaderboard.submission import Run, read_run

FILE = "unfinished.jsonl"
_PARTS = ("encodings", "predictors", "spaces", "strategies", "surrogates")
_FILES = (
    "arch.py",
    "checkpoint.py",
    "harness.py",
    "leaderboard/setting.py",
    "oracles.py",
    "outcomes.py",
    "problem.py",
    "tables/noise_model.py",
    "tables/table.py",
    "tables/training_noise.py",
)
_DECIDE = (*_FILES, *(f"{part}/**/*.py" for part in _PARTS))


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Return a hash of NumPy's version and of the source that decides what built-in strategies choose."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(np.__version__.encode())
    for path in sorted(path for part in _DECIDE for path in root.glob(part)):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


class Unfinished:
    """Notes the finished runs of a folder until all are done.

    Attributes:
        n_done: how many an interrupted call had finished.
    """

    def __init__(self, folder: Path, rules_sha256: str, *, fresh: bool = False) -> None:
        """Open the notes of a folder.

        Args:
            folder: where runs are written.
            rules_sha256: hash of the board's rules.
            fresh: forget what was noted, and where runs were interrupted.
        """
        for journal in folder.rglob("seed-*.journal.jsonl") if fresh else ():
            journal.unlink(missing_ok=True)
        self._path = folder / FILE
        self._folder = folder
        self._seals: dict[str, str] = {}
        self._head = head = json.dumps({"code": code_sha256(), "rules": rules_sha256})
        lines = [] if fresh or not self._path.is_file() else self._path.read_text(encoding="utf-8").split("\n")
        if lines[:1] == [head]:
            for line in lines[1:-1]:  # the last has no end: it is empty or cut short
                with contextlib.suppress(ValueError):
                    self._seals.update(json.loads(line))
        self.n_done = len(self._seals)
        atomic_write_text(self._path, self._text())

    def run_at(self, path: Path) -> Run | None:
        """Return the run that lies at ``path`` if it is noted, whole and unchanged."""
        seal = self._seals.get(str(path.relative_to(self._folder)))
        if seal is None:
            return None
        try:
            run = read_run(path)
        except InvalidFileError:
            return None
        return run if run.seal == seal == run.computed_seal() else None

    def add(self, run: Run, path: Path) -> None:
        """Note a run that was written."""
        place = str(path.relative_to(self._folder))
        self._seals[place] = run.seal
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({place: run.seal}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def remove(self, paths: Iterable[Path]) -> None:
        """Forget the runs at ``paths``, with which a call is done; the file goes with the last of all."""
        for path in paths:
            self._seals.pop(str(path.relative_to(self._folder)), None)
        if self._seals:
            atomic_write_text(self._path, self._text())
        else:
            self._path.unlink(missing_ok=True)

    def _text(self) -> str:
        return "\n".join([self._head, *(json.dumps({path: seal}) for path, seal in self._seals.items()), ""])
