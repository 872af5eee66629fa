"""Puts what is published beside the code into standard wheels.

An editable install gets nothing: there `metanas.published` finds the checkout itself, whereas copied files would go
stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONTENT = ("benchmark_data", "leaderboards", "predictors", "tasks")


class PublishedContent(BuildHookInterface):
    """Force-includes the content folders as ``metanas/_published/``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        for name in CONTENT:
            folder = Path(self.root) / name
            if folder.is_dir():
                build_data["force_include"][str(folder)] = f"metanas/_published/{name}"
