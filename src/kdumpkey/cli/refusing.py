"""Options that do not go together: the first contradiction is refused, in cryptsetup's order and words."""

from __future__ import annotations

from kdumpkey.errors import UsageError


def refuse_first(*refusals: tuple[bool, str]) -> None:
    """Refuse what applies first.

    Args:
        refusals: Whether it applies, and what to say.

    Raises:
        UsageError: One applies.
    """
    for applies, message in refusals:
        if applies:
            raise UsageError(message)
