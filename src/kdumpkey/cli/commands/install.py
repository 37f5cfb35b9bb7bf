"""kdump install: kdumpkey-capture and its Python, into a root file system that is being made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.session import Run
from kdumpkey.kdump.install import install as put

app = typer.Typer()


@action(app, "install", "<directory>", example='kdumpkey kdump install "$initdir"')
def install(
    run: Run,
    folder: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="The initramfs tree", show_default=False)
    ],
) -> None:
    """Put them there, and say how much that was under -v, or where it could not be tried."""
    session = run.begin()
    done = put(Path(folder))
    session.explain(f"{done.files} files of {done.nbytes / 1e6:.0f} MB below {folder}.")
    if not done.tried:
        session.complain(f"WARNING: only root may run what is below {folder}: it was not tried.")
