"""Tasks: a card (TOML), its arrays, and the split that the card fixes.

The content folder ``tasks`` holds one card a task and ``data/<task>.npz`` with ``x``, ``y`` and, where rows belong
together, ``groups``. Arrays are checked against the card's sha256 whenever they are loaded, and so is the split.
"""

from __future__ import annotations

from metanas.tasks.card import Card, Input, Source, Split, read_card
from metanas.tasks.conversion import distinct, linked_groups, write_task
from metanas.tasks.meta import MetaSplit, load_meta_split, relatives
from metanas.tasks.split import SPLITS, assign
from metanas.tasks.task import Task, area_matrix, load_task, task_names

__all__ = [
    "SPLITS",
    "Card",
    "Input",
    "MetaSplit",
    "Source",
    "Split",
    "Task",
    "area_matrix",
    "assign",
    "distinct",
    "linked_groups",
    "load_meta_split",
    "load_task",
    "read_card",
    "relatives",
    "task_names",
    "write_task",
]
