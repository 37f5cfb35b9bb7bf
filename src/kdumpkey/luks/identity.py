"""What names a LUKS device: its UUID and, in LUKS2, a label and a subsystem."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from kdumpkey.errors import UsageError


@dataclass(frozen=True)
class Identity:
    """The UUID, label and subsystem of a device; LUKS1 has only the UUID."""

    uuid: str
    label: str = ""
    subsystem: str = ""


def is_uuid(text: str) -> bool:
    """Say whether a text is a UUID in its usual form, in small or capital letters."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def checked_uuid(text: str) -> str:
    """Return a UUID in small letters.

    Raises:
        UsageError: The text is not a UUID.
    """
    if not is_uuid(text):
        raise UsageError("Wrong LUKS UUID format provided.")
    return text.lower()


def new_uuid() -> str:
    """Return a random UUID."""
    return str(uuid.uuid4())
