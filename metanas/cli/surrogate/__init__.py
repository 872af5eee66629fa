"""``metanas surrogate …``: one file a command."""

from __future__ import annotations

NAME = "surrogate"
HELP = """\
Surrogate benchmarks: what a table that measured a sample says of all the rest of its space.

    metanas surrogate fit nb201/fashion_mnist-v1
"""
