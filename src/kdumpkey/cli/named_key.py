"""A key to be named, as the options of `kdump name` describe it."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.key_source import KeySource


@dataclass(frozen=True)
class KeyToName:
    """A key that is to be handed over.

    Attributes:
        device: A LUKS device, or the name of a key; None: `description` names the key.
        header: Where the device's header is.
        keys: Where its volume key comes from.
        description: The key's name; None: the usual one of the device.
        count: How many keys to name, numbered; None: one, without a number.
        timeout_s: When the key expires; None: as is usual.
    """

    device: str | None
    header: HeaderChoice
    keys: KeySource
    description: str | None
    count: int | None
    timeout_s: int | None
