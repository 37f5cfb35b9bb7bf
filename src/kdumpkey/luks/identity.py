"""What names a LUKS device: its UUID and, in LUKS2, a label and a subsystem."""

import re
from typing import Final, NamedTuple

from kdumpkey.errors import UsageError

_UUID: Final = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Identity(NamedTuple):
    """The UUID, label and subsystem of a device; LUKS1 has only the UUID."""

    uuid: str
    label: str = ""
    subsystem: str = ""


def is_uuid(text: str) -> bool:
    """Say whether a text is a UUID in its usual form, in small or capital letters."""
    return re.fullmatch(_UUID, text) is not None


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
    import uuid  # noqa: PLC0415 - reading a header, which every start waits for, makes none

    return str(uuid.uuid4())
