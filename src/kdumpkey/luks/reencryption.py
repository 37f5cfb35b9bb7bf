"""A reencryption that was begun and is not finished: how far it came, and what finishes it.

kdumpkey reencrypts nothing. What a kill in the middle leaves is recovered by cryptsetup, from the checksums
or the copy in the reencryption's own keyslot area; which command does it, the header says.

Source: the LUKS2 on-disk format, section "Reencryption"; cryptsetup-reencrypt(8).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey.luks.model import REENCRYPTION

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader

_IN_FLIGHT: Final = "in-reencryption"
_PREVIOUS: Final = "backup-previous"


class State(NamedTuple):
    """How far a reencryption came.

    Attributes:
        interrupted: It was stopped while a run of bytes was being written: this may be half old and half new.
        interrupted_bytes: The length of that run; None: to the end of the device.
        remains: There are data that it had not reached.
    """

    interrupted: bool
    interrupted_bytes: int | None = 0
    remains: bool = True

    def explanation(self, device: str, header_device: str | None = None) -> str:
        """Say what is left to do, and the command that does it.

        Args:
            device: The device's name.
            header_device: That of a detached header.
        """
        import shlex  # noqa: PLC0415 - the capture program, whose start is counted, never explains this

        words = ["--header", header_device, device] if header_device else [device]
        where = shlex.join(words)
        # Whether a file is in use cryptsetup cannot see, and wants to be told.
        how = "--resume-only --force-offline-reencrypt" if os.path.isfile(device) else "--resume-only"
        if not self.interrupted:
            return (
                f"A reencryption of {device} was begun and is not finished; nothing of it is damaged.\n"
                f"To finish it: cryptsetup reencrypt {how} {where}"
            )
        size = "the rest" if self.interrupted_bytes is None else f"{self.interrupted_bytes} bytes"
        recover = (
            f"A reencryption of {device} was interrupted: {size} of the data may be half old and half new. "
            f"kdumpkey does not recover data.\nTo recover them: cryptsetup repair {where}"
        )
        return (
            f"{recover}\nand to finish it then: cryptsetup reencrypt {how} {where}"
            if self.remains
            else recover
        )


def state_of(header: LuksHeader) -> State | None:
    """How far the reencryption of a volume came; None: none was begun."""
    if not any(slot.type == REENCRYPTION for slot in header.keyslots.values()):
        return None
    old = [header.digest_of_segment(each.id) for each in header.segments.values() if _PREVIOUS in each.flags]
    for segment in header.data_segments:
        if _IN_FLIGHT in segment.flags:
            others = [
                header.digest_of_segment(each.id) for each in header.data_segments if each is not segment
            ]
            return State(True, segment.size, remains=any(each in old for each in others))
    return State(interrupted=False)
