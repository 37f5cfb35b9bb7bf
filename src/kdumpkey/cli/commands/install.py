"""kdump install: kdumpkey and its Python, into a root file system that is being made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kdumpkey.kdump.install import install as put

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def install(session: Session) -> None:
    """Put them there, and say how much that was under -v, or where it could not be tried."""
    (folder,) = session.invocation.arguments[:1]
    done = put(Path(folder))
    session.explain(f"{done.files} files of {done.nbytes / 1e6:.0f} MB below {folder}.")
    if not done.tried:
        session.complain(f"WARNING: only root may run what is below {folder}: it was not tried.")
