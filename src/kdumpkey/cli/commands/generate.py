"""kdump generate: a piece of configuration as a diff, or put in place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Devices
from kdumpkey.cli.declaring import completing
from kdumpkey.cli.options import Apply, Root
from kdumpkey.cli.session import Run
from kdumpkey.kdump.generate.apply import apply
from kdumpkey.kdump.generate.generate import generate as make

app = typer.Typer()
_PIECES: Final = ("crypttab", "dracut", "initramfs-tools", "kdump.conf", "systemd", "udev")


@action(
    app,
    "generate",
    "<crypttab|dracut|initramfs-tools|kdump.conf|systemd|udev> [<device> ...]",
    example="kdumpkey kdump generate crypttab /dev/sda2",
)
def generate(
    run: Run,
    piece: Annotated[
        str,
        typer.Argument(
            metavar="PIECE", help=f"One of {', '.join(_PIECES)}", autocompletion=completing(*_PIECES)
        ),
    ],
    devices: Devices = None,
    root_folder: Root = None,
    apply_changes: Apply = False,
) -> None:
    """Show what is to be changed; with --apply, change it."""
    session = run.begin()
    root = Path(root_folder or "/")
    changes = make(piece, root, devices or [])
    for change in changes:
        if diff := change.diff():
            session.write(diff)
        else:
            session.explain(f"{root / change.path} is as it should be.")
    if apply_changes:
        for done in apply(root, changes):
            session.complain(f"{done.path} is changed{f'; as it was: {done.kept}' if done.kept else ''}.")
