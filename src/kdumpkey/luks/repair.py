"""repair: a header that was damaged made whole, as far as what is left of it says how."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdumpkey.errors import AmbiguousSignatureError, HeaderError, NotLuksError, RequirementsError
from kdumpkey.luks import layout, lock, luks1_repair, luks2, reencryption, store
from kdumpkey.luks.header import primary_version, read_header
from kdumpkey.luks.keyslot_noise import suspicions
from kdumpkey.luks.model import CopyState
from kdumpkey.luks.requirements import unmet
from kdumpkey.luks.salvage import detached_header, lost_data, salvaged
from kdumpkey.luks.signatures import table_kind
from kdumpkey.storage.device import open_readonly, open_readwrite
from kdumpkey.storage.publish import write_file

if TYPE_CHECKING:
    import os

    from kdumpkey.luks.keyslot_noise import Suspicion
    from kdumpkey.luks.model import Luks1Header
    from kdumpkey.storage.device import Reader


class Damage(enum.Enum):
    """What there is to mend."""

    NONE = "none"
    COPY = "one copy of the LUKS2 header is damaged or older"
    AMBIGUOUS = "that, and the device has the signature of something else"
    KEYSLOTS = "unused keyslots of the LUKS1 header are not valid"


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a header, in one word and in the words of its reader.

    `table` is the kind of the partition table, ``dos`` or ``gpt``, that is all that makes it ambiguous.
    """

    damage: Damage
    problem: str = ""
    table: str = ""


def diagnose(path: str | os.PathLike[str], *, version: int | None = None) -> Diagnosis:
    """See what is wrong with a header; nothing is written.

    Args:
        path: The device or file that the header is on.
        version: Take a header of this version of LUKS alone, 1 or 2.

    Raises:
        HeaderError: It is damaged beyond repair, or there is no header.
        DeviceError: The device cannot be read.
    """
    with open_readonly(path) as device:
        try:
            header = read_header(device, version=version)
        except AmbiguousSignatureError as error:
            return Diagnosis(Damage.AMBIGUOUS, str(error), table_kind(device) if error.is_table else "")
        except NotLuksError:
            raise
        except HeaderError as error:
            if primary_version(device) != 1 or version == 2:
                raise
            try:
                _mended(device)
            except HeaderError as why:
                raise HeaderError(f"{error}\n{why}") from error
            return Diagnosis(Damage.KEYSLOTS, str(error))
    if all(copy.state is CopyState.CURRENT for copy in header.copies):
        return Diagnosis(Damage.NONE)
    return Diagnosis(Damage.COPY)


def mend(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Mend what `diagnose` found, even if the device also has the signature of something else.

    Args:
        path: The device or file that the header is on.

    Returns:
        What was mended of a LUKS1 header, one line each.

    Raises:
        HeaderError: It cannot be mended; nothing was written.
        DeviceError: The device cannot be written.
    """
    with open_readwrite(path) as device, lock.exclusive(device):
        if primary_version(device) == 1:
            header, done = _mended(device)
            store.write_header(device, header)
            return done
        store.mend(device, luks2.read(device, ignore_signatures=True))
        return ()


def save_salvaged(path: str | os.PathLike[str], target: str | None) -> tuple[str, ...]:
    """Write what can be salvaged of a header as a detached header; the device itself is only read.

    Args:
        path: The device, which has no valid header.
        target: The file, which must not be there yet; None: write nothing.

    Returns:
        What is lost of the header, a line each; nothing: nothing can be salvaged.

    Raises:
        OutputError: The file is there, or cannot be written.
        DeviceError: The device cannot be read.
    """
    with open_readonly(path) as device:
        found = salvaged(device)
        if found is None:
            return ()
        if target is not None:
            write_file(target, detached_header(device, found.header), sync=True)
        return (*found.losses, *lost_data(device, found.header))


@dataclass(frozen=True)
class Aftermath:
    """What is known of a header that is valid again.

    Attributes:
        suspicions: Keyslots whose areas do not look like keyslots.
        reencryption: What a reencryption left to do; None: there was none.
    """

    suspicions: tuple[Suspicion, ...]
    reencryption: reencryption.State | None


def examine(path: str | os.PathLike[str]) -> Aftermath:
    """Look at what `mend` cannot mend; nothing is written.

    Args:
        path: The device or file that the header is on.

    Raises:
        RequirementsError: The header demands what kdumpkey does not know.
        HeaderError: It is not valid.
        DeviceError: The device cannot be read.
    """
    with open_readonly(path) as device:
        header = read_header(device)
        left = reencryption.state_of(header)
        if header.requirements and left is None:
            raise RequirementsError(unmet(header.requirements, device.name))
        return Aftermath(tuple(suspicions(device, header)), left)


def _mended(device: Reader) -> tuple[Luks1Header, tuple[str, ...]]:
    block = bytearray(layout.LUKS1_HEADER_SIZE)
    if device.size < len(block):
        raise NotLuksError(f"{device.size} bytes cannot hold a LUKS1 header")
    device.pread_into(block, 0)
    header, done = luks1_repair.repaired(block)
    if not done or header.areas_end > device.size:
        raise HeaderError("Repair failed.")
    return header, done
