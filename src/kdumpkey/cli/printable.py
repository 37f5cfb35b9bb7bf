"""Text out of files and keyrings, which others may have written, for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text, with what a terminal would take for a command written out."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
