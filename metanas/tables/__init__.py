"""Tables of trained architectures: the schema, reading, writing, the registry and the builder."""

from __future__ import annotations

from metanas.tables.registry import find_entry, load_table, open_table, register, registry, table_names
from metanas.tables.schema import Metric, metric
from metanas.tables.table import Table
from metanas.tables.write import write_table

__all__ = [
    "Metric",
    "Table",
    "find_entry",
    "load_table",
    "metric",
    "open_table",
    "register",
    "registry",
    "table_names",
    "write_table",
]
