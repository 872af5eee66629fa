"""The few kinds of error that metanas raises on purpose.

Every message states the rule, the value that broke it and the remedy. The command line prints the message
without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MetanasError(Exception):
    """Base of every error that metanas raises on purpose."""

    exit_code = 1


class UnknownNameError(MetanasError, KeyError):
    """A name (of a table, task, metric, space, strategy …) that nothing answers to."""

    exit_code = 2

    def __init__(self, kind: str, name: object, known: Iterable[object]) -> None:
        """Say which ``kind`` of thing has no ``name``, what there is, and what was perhaps meant."""
        names = [str(entry) for entry in known]
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
        self.message = f"Unknown {kind} {str(name)!r}.{hint} There is: {listed or 'none'}."
        super().__init__(self.message)
        self._parts = (kind, str(name), names)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        """Let the error pass between processes: exceptions are made again from their arguments."""
        return (type(self), self._parts)

    def __str__(self) -> str:  # KeyError would show the repr of the message
        """Return the message itself."""
        return self.message


class InvalidArchError(MetanasError, ValueError):
    """An architecture, or its written form, that is not of the space."""

    exit_code = 2


class InvalidFileError(MetanasError, ValueError):
    """A file from outside (table, task, run, board …) that breaks its schema or its hash."""

    exit_code = 2


class InvalidValueError(MetanasError, ValueError):
    """An argument outside what it may be."""

    exit_code = 2


class NotMeasuredError(MetanasError, LookupError):
    """The table holds no measurement there; it is never filled in with another number."""

    exit_code = 3


class StrategyError(MetanasError, RuntimeError):
    """A strategy that returned something else than a trial, raised, or broke the rules of its board."""

    exit_code = 4


class PredictorError(MetanasError, RuntimeError):
    """A predictor that broke its contract."""

    exit_code = 4


class VerificationError(MetanasError, ValueError):
    """A run whose replay does not give what it states."""

    exit_code = 5
