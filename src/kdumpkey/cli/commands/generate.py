"""kdump generate: one kind of configuration as a diff, or written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Devices
from kdumpkey.cli.declaring import completing
from kdumpkey.cli.options import Apply, Root
from kdumpkey.cli.session import Run
from kdumpkey.kdump.generate.apply import apply
from kdumpkey.kdump.generate.generate import GENERATORS
from kdumpkey.kdump.generate.generate import generate as make

app = typer.Typer()


@action(
    app,
    "generate",
    f"<{'|'.join(GENERATORS)}> [<device> ...]",
    example="kdumpkey kdump generate crypttab /dev/sda2",
)
def generate(
    run: Run,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help=f"One of {', '.join(GENERATORS)}", autocompletion=completing(*GENERATORS)
        ),
    ],
    devices: Devices = None,
    root_folder: Root = None,
    apply_changes: Apply = False,
) -> None:
    """Show what is to be changed; with --apply, change it."""
    session = run.begin()
    root = Path(root_folder or "/")
    changes = make(kind, root, devices or [])
    for change in changes:
        if diff := change.diff():
            session.write(diff)
        else:
            session.explain(f"{root / change.path} is as it should be.")
    if apply_changes:
        for done in apply(root, changes):
            session.complain(f"{done.path} is changed{f'; as it was: {done.kept}' if done.kept else ''}.")
