"""Rows whose last column is a text or a command, folded so that they fit a terminal of 80 columns."""

from __future__ import annotations

import re
import textwrap
from typing import Final

WIDTH: Final = 80
_WORDS: Final = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")


def folded(row: str, text: str, indent: int | None = None) -> list[str]:
    """The lines of a row: its columns, and a text that goes on below itself.

    Args:
        row: The columns before the text, padded.
        text: The last column.
        indent: Where the text goes on, in columns. Default: below its beginning.
    """
    if indent is None:
        indent = len(row)
    return [
        line.rstrip()
        for line in textwrap.wrap(
            text or " ",
            WIDTH,
            initial_indent=row,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        or [row]
    ]


def folded_fix(row: str, fix: str) -> list[str]:
    """The lines of a row with a fix: a sentence, or a command that a shell still takes when it is folded.

    Args:
        row: The columns before the fix, padded.
        fix: It begins with a capital letter if it is a sentence.
    """
    if fix[:1].isupper():
        return folded(row, fix)
    lines: list[str] = []
    for part in re.split(r"(?<=&&) ", fix):
        line = ""
        for word in _WORDS.findall(part):
            if line and len(row) + len(line) + 1 + len(word) + len(" \\") > WIDTH:
                lines.append(f"{line} \\")
                line = f"  {word}"
            else:
                line = f"{line} {word}" if line else word
        lines.append(line)
    return [f"{row if number == 0 else ' ' * len(row)}{line}" for number, line in enumerate(lines)]
