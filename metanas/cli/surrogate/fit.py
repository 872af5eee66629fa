"""``metanas surrogate fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metanas.cli._common import console, print_json

NEEDS_ARGUMENTS = True


def command(
    table: Annotated[str, typer.Argument(help="A table's name, or an .h5 file.", metavar="TABLE")],
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric. Repeatable. All if absent.")] = None,
    member: Annotated[
        list[str] | None, typer.Option(help="A predictor of the stack. Repeatable. The usual ones if absent.")
    ] = None,
    place: Annotated[Path | None, typer.Option(help="Where content lies; where the table lies if absent.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Learn from a table what the architectures that it did not measure would give, and how well that is known.

    The surrogate lies beside the table, with a card that says whether it ranks better than one real training; a
    published table's is registered, and metanas tables marks it. From then on
    metanas.load_table(TABLE, surrogate=True) answers for the whole space.

        metanas surrogate fit nb201/fashion_mnist-v1

        metanas surrogate fit my-table.h5 --metric validation/accuracy --member gaussian_process --member gnn
    """
    from metanas.files import atomic_write_text
    from metanas.surrogates.card import card, verdict
    from metanas.surrogates.figures import figures
    from metanas.surrogates.fitting import fit
    from metanas.surrogates.growing import MEMBERS
    from metanas.surrogates.store import CARD_SUFFIX, publish, surrogate_path, write_surrogate
    from metanas.tables import open_table

    opened = open_table(table, verify=not table.endswith(".h5"))
    progress = console(stderr=True)
    fitted = fit(
        opened,
        seed=seed,
        metrics=metric or (),
        members=member or MEMBERS,
        report=lambda name: progress.print(f"Learning {name} …"),
    )
    found = {name: figures(opened, name, model) for name, model in fitted.models.items()}
    text = card(fitted, found)
    if table.endswith(".h5"):
        path = surrogate_path(opened.path)
        sha256 = write_surrogate(fitted, path, found)
        atomic_write_text(path.with_name(opened.path.name.removesuffix(".h5") + CARD_SUFFIX), text)
    else:
        entry = publish(fitted, found, text, place=place)
        path, sha256 = entry.path, entry.sha256
    if as_json:
        seconds = round(fitted.cpu_seconds, 1)
        print_json({"file": str(path), "sha256": sha256, "cpu_seconds": seconds, "figures": found})
        return
    shown = console()
    shown.print(f"{opened.name}: {len(fitted.models)} metrics learned in {fitted.cpu_seconds:.0f} CPU seconds")
    for name, figure in found.items():
        shown.print(f"{name}: tau {figure['tau']:.3f}, R² {figure['r2']:.3f} out of fold", soft_wrap=True)
    for name in found:
        if name == "validation/accuracy":
            shown.print(verdict(name, found[name]), markup=False, soft_wrap=True)
    shown.print(f"Written: {path}", soft_wrap=True)
