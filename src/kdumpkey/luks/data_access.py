"""Whether the data behind a header can be opened, by which program, and if not, why not.

A key that fits does not mean that the data can be opened: the header may name a cipher, a kind of segment or
a feature that neither kdumpkey nor dm-crypt supports. Check here before you rely on the data after a crash.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

from kdumpkey.crypto.cipher_spec import CipherSpec, dm_crypt_refusal, is_null_cipher
from kdumpkey.errors import CipherError
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.requirements import check_requirements, requirement

if TYPE_CHECKING:
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader, Segment

_SECTOR_SIZES: Final = (512, 1024, 2048, 4096)
_ELSEWHERE: Final = "Use a device that is encrypted with another cipher."


class DataAccess(NamedTuple):
    """How the data behind a header can be opened.

    Attributes:
        user_space: Why kdumpkey does not decrypt them; empty: it does.
        dm_crypt: Why kdumpkey does not have dm-crypt map them; empty: it does, if the kernel has the cipher.
        step: What to do where neither will.
    """

    user_space: str
    dm_crypt: str
    step: str = ""

    @property
    def possible(self) -> bool:
        """Whether there is a way."""
        return not (self.user_space and self.dm_crypt)


def data_access(header: "LuksHeader") -> DataAccess:
    """Say how the data behind a header can be opened, as far as the header alone tells."""
    if header.requirements:
        found = [requirement(name) for name in header.requirements]
        why = f"the device {' and '.join(each.meaning for each in found)}"
        return DataAccess(why, why, "; ".join(dict.fromkeys(each.step for each in found)))
    segments = header.data_segments
    user_space = _first([_user_space(header, segment) for segment in segments])
    dm_crypt = _first([_dm_crypt(segment) for segment in segments])
    if len(segments) > 1 and not dm_crypt:
        dm_crypt = "the volume has several segments, which kdumpkey does not map"
    step = _ELSEWHERE
    if any(segment.integrity is not None for segment in segments):
        step = "cryptsetup opens it, with dm-integrity beneath."
    return DataAccess(user_space, dm_crypt, step)


def check_data_opens(header: "LuksHeader", name: str) -> list[str]:
    """Refuse a header whose data nothing at hand opens, and warn where not everything does.

    Args:
        header: The header.
        name: What messages call the device.

    Returns:
        Warnings, each a sentence.

    Raises:
        RequirementsError: The header demands features that are not implemented.
        CipherError: The data cannot be opened in user space, nor by dm-crypt.
    """
    check_requirements(header, "open")
    access = data_access(header)
    if not access.possible:
        by_dm_crypt = "" if access.dm_crypt == access.user_space else f" By dm-crypt: {access.dm_crypt}."
        raise CipherError(
            f"The data of {name} cannot be opened: {access.user_space}.{by_dm_crypt} {access.step}"
        )
    warnings = []
    if access.user_space:
        warnings.append(
            f"Only dm-crypt opens the data of {name}, if the kernel has the cipher; "
            f"kdumpkey does not decrypt them: {access.user_space}."
        )
    elif access.dm_crypt:
        warnings.append(f"Only kdumpkey opens the data of {name}; dm-crypt does not: {access.dm_crypt}.")
    return warnings + warnings_of_nothing(header, name)


def warnings_of(luks: "LuksDevice") -> list[str]:
    """Warn of data that not everything opens, or that are not all there.

    Raises:
        RequirementsError: The header demands features that are not implemented.
        CipherError: Nothing opens the data.
    """
    missing = luks.missing_end()
    return [*check_data_opens(luks.header, luks.device.name), *([missing] if missing else [])]


def warnings_of_nothing(header: "LuksHeader", name: str) -> list[str]:
    """Warn of data that the null cipher leaves as they are.

    Args:
        header: The header.
        name: What messages call the device.
    """
    if not any(is_null_cipher(segment.encryption) for segment in header.data_segments):
        return []
    return [f"The data of {name} are not encrypted: the null cipher protects nothing."]


def _user_space(header: "LuksHeader", segment: "Segment") -> str:
    if reason := _neither(segment):
        return reason
    if segment.type == "linear":
        return ""
    try:
        spec = CipherSpec.parse(segment.encryption)
        digest = header.digest_of_segment(segment.id)
        for size in header.key_sizes(digest) if digest else ():
            spec.check_key_size(size)
    except CipherError as error:
        return str(error)
    return ""


def _dm_crypt(segment: "Segment") -> str:
    if reason := _neither(segment):
        return reason
    if segment.type == "linear":
        return "the volume is not encrypted, and needs no mapping"
    if reason := dm_crypt_refusal(segment.encryption):
        return reason
    if segment.iv_tweak * SECTOR % segment.sector_size:
        return (
            f"its IVs begin at {segment.iv_tweak}, in the middle of a sector of {segment.sector_size} bytes"
        )
    return ""


def _neither(segment: "Segment") -> str:
    """What neither of the two can do."""
    if segment.type not in ("crypt", "linear"):
        return f"segment {segment.id} is of the unknown type {segment.type!r}"
    if "in-reencryption" in segment.flags:
        return f"segment {segment.id} is being re-encrypted"
    if segment.integrity is not None:
        return f"segment {segment.id} has authenticated encryption"
    if segment.type == "crypt" and segment.sector_size not in _SECTOR_SIZES:
        return f"encryption sector size {segment.sector_size} is not supported"
    return ""


def _first(reasons: list[str]) -> str:
    return next((reason for reason in reasons if reason), "")
