"""The descriptions by which kdump's tools know the volume keys that they hand over."""

from typing import Final

PREFIX: Final = "kdump-cryptsetup:vk-"


def description_of(uuid: str) -> str:
    """The description of the key of a device with a header of this UUID."""
    return PREFIX + uuid
