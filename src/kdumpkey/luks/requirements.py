"""What a LUKS2 header may demand of whoever opens it: what each requirement means, and what to do then."""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey.errors import RequirementsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kdumpkey.luks.model import LuksHeader

_LONGEST: Final = 64  # characters of a name that are shown
_REENCRYPTION: Final = r"online-reencrypt(-v[0-9]+)?"

# They show the header, or destroy keys, or try one; all else needs the requirements met.
ACTIONS_WITHOUT_REQUIREMENTS = frozenset(
    {"luksDump", "luksHeaderBackup", "luksKillSlot", "erase", "test-passphrase", "luksUUID", "isLuks"}
)


class Requirement(NamedTuple):
    """A requirement that kdumpkey does not meet.

    Attributes:
        name: As the header has it.
        meaning: What it says of the device, as the end of a sentence that begins with "the device".
        step: What to do, in words or as a command in which DEVICE stands for the device.
    """

    name: str
    meaning: str
    step: str


def check_requirements(header: "LuksHeader", action: str) -> None:
    """Refuse an action on a device that demands what kdumpkey cannot do.

    Args:
        header: The device's header.
        action: cryptsetup's name of the action; "test-passphrase" for open --test-passphrase.

    Raises:
        RequirementsError: The header has requirements and the action needs them met.
    """
    if header.requirements and action not in ACTIONS_WITHOUT_REQUIREMENTS:
        raise RequirementsError(unmet(header.requirements))


def requirement(name: str) -> Requirement:
    """What a requirement's name means; one that nobody knows is described as such."""
    if re.fullmatch(_REENCRYPTION, name):
        return Requirement(name, "is being re-encrypted", "cryptsetup reencrypt --resume-only DEVICE")
    match name:
        case "offline-reencrypt":
            step = "cryptsetup-reencrypt DEVICE, with the cryptsetup release that began it"
            return Requirement(name, "is being re-encrypted while it is closed", step)
        case "opal":
            step = (
                "cryptsetup 2.7 or later opens it, with a kernel that speaks OPAL to the disk; "
                "for dumps, use a device that is encrypted by software alone"
            )
            return Requirement(name, "is encrypted by the disk itself (OPAL)", step)
        case "inline-hw-tags":
            step = "cryptsetup 2.8 or later opens it, with a disk that stores integrity tags"
            return Requirement(name, "has integrity tags in the disk's own sectors", step)
        case _:
            step = f"open it with the program that made it, or a later cryptsetup that knows {name!r}"
            return Requirement(name, f"demands {name!r}, which kdumpkey does not know", step)


def unmet(names: "Iterable[str]", device: str = "DEVICE") -> str:
    """Say that requirements are not met, in cryptsetup's words, and on a line each what to do about them.

    Args:
        names: The requirements.
        device: What commands are to call the device.
    """
    lines = ["Unmet LUKS2 requirements detected."]
    for each in map(requirement, names):
        shown = "".join(character if character.isprintable() else "?" for character in each.name[:_LONGEST])
        file = " (an image file: with --force-offline-reencrypt)" if "--resume-only" in each.step else ""
        lines.append(f"{shown}: the device {each.meaning}: {each.step.replace('DEVICE', device)}{file}.")
    return "\n".join(lines)
