"""kdump generate: a piece of configuration as a diff, or put in place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.ops.generate import apply
from kdumpkey.ops.generate import generate as make

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def generate(session: Session) -> None:
    """Show what is to be changed; with --apply, change it."""
    options = session.invocation
    piece, *devices = options.arguments
    root = Path(options.text("root") or "/")
    change = make(piece, root, devices)
    diff = change.diff()
    if not diff:
        session.explain(f"{root / change.path} is as it should be.")
        return
    session.write(diff)
    if options.flag("apply"):
        kept = apply(root, change)
        session.complain(f"{root / change.path} is changed{f'; as it was: {kept}' if kept else ''}.")
