"""The names of the directories that stand for named keys in configfs."""

from __future__ import annotations

import re
from typing import Final

_OURS: Final = "kdumpkey-"
_LONGEST_ITEM: Final = 200


def item_of(description: str) -> str:
    """The name of a directory for a description, the same each time."""
    return re.sub(r"[^\w.-]", "_", description, flags=re.ASCII)[:_LONGEST_ITEM].lstrip(".") or "key"


def item_for(description: str) -> str:
    """The item by which arming names a key, which tells it later that the item is its own."""
    return _OURS + item_of(description)


def is_ours(item: str) -> bool:
    """Whether arming made an item, and a killed one left it behind."""
    return item.startswith(_OURS)
