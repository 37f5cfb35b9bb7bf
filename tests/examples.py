"""How many examples the generative tests try: few by default, all of them with KDUMPKEY_ALL_EXAMPLES=1."""

from __future__ import annotations

import os

ALL_EXAMPLES = os.environ.get("KDUMPKEY_ALL_EXAMPLES") == "1"


def examples(name: str, few: int, many: int) -> int:
    """The number that a variable of the environment names, or else one of the two."""
    return int(os.environ.get(name) or (many if ALL_EXAMPLES else few))
