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


def refuse_external_tokens(path: str | None) -> None:
    """Refuse to run token handlers from a directory: they are programs of somebody else's in this process.

    Raises:
        UsageError: A directory was named.
    """
    if path is not None:
        raise UsageError(
            "kdumpkey runs no external token handlers (--external-tokens-path); cryptsetup does."
        )
