"""kdump generate: a piece of configuration as a diff, or put in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.kdump.generate.apply import apply
from kdumpkey.kdump.generate.generate import generate as make

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def generate(session: Session) -> None:
    """Show what is to be changed; with --apply, change it."""
    options = session.invocation
    piece, *devices = options.arguments
    root = Path(options.text("root") or "/")
    changes = make(piece, root, devices)
    for change in changes:
        if diff := change.diff():
            session.write(diff)
        else:
            session.explain(f"{root / change.path} is as it should be.")
    if options.flag("apply"):
        for done in apply(root, changes):
            session.complain(f"{done.path} is changed{f'; as it was: {done.kept}' if done.kept else ''}.")
