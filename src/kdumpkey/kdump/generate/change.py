"""A file's new text, and the difference from what is there."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final

FILE: Final = 0o644
PROGRAM: Final = 0o755


@dataclass(frozen=True)
class Change:
    """A file's new text.

    Attributes:
        path: The file, relative to the machine's root.
        before: Its text now; None: there is no such file.
        after: Its new text.
        mode: The permissions of a file that is new.
    """

    path: str
    before: str | None
    after: str
    mode: int = FILE

    def diff(self) -> str:
        """The change as ``patch -p1`` takes it; empty: there is nothing to change."""
        old = (self.before or "").splitlines(keepends=True)
        new = self.after.splitlines(keepends=True)
        origin = "/dev/null" if self.before is None else f"a/{self.path}"
        lines = difflib.unified_diff(old, new, origin, f"b/{self.path}")
        ended = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        return "".join(ended)
