"""Rows whose last column is a text, folded so that they fit a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import Final

WIDTH: Final = 80


def folded(row: str, text: str) -> list[str]:
    """The lines of a row: its columns, and a text that goes on below itself.

    Args:
        row: The columns before the text, padded.
        text: The last column.
    """
    lines = textwrap.wrap(text, WIDTH - len(row), break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{row if index == 0 else ' ' * len(row)}{line}".rstrip() for index, line in enumerate(lines)]
