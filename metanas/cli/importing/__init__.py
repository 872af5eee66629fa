"""``metanas import …``: one file a kind of source; each has a function ``command``, as the commands of ``metanas``."""

from __future__ import annotations

NAME = "import"
HELP = """\
Bring published benchmarks, or tables of your own, home as metanas tables.

Nothing is unpickled blindly and nothing is filled in: what was not measured stays not measured.

    metanas import columns nb201.npz --space nb201 --name published/nb201-v1
"""
