"""Where plaintext goes, as options say."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.options import Force, Length, Sparse, Start, To


@dataclass(frozen=True)
class Output:
    """Where plaintext goes, and how much of it."""

    to: To = None
    start: Start = None
    length: Length = None
    sparse: Sparse = False
    force: Force = False
