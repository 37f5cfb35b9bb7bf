"""Formats that dm-crypt serves besides LUKS, by their signatures: what is there, and what can open it.

Source: libbde's and libfvde's documentation of the on-disk formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from kdumpkey.errors import FormatError
from kdumpkey.storage.device import open_readonly

if TYPE_CHECKING:
    from kdumpkey.storage.device import Reader

_HEAD: Final = 512
_FVE_NAME: Final = b"-FVE-FS-"
_TO_GO_NAME: Final = b"MSWIN4.1"  # every FAT file system's: the GUID must be there, too
_FVE_GUIDS: Final = (
    bytes.fromhex("3bd66749292ed84a8399f6a339e3d001"),
    bytes.fromhex("3b4da89280dd0e4d9e4eb1e3284eaed8"),  # only what was in use is encrypted
)
_GUID: Final = 160
_GUID_TO_GO: Final = 424
_CORE_STORAGE: Final = ((8, b"\x01\x00\x10\x00"), (88, b"CS"))  # version and type of block; the signature


@dataclass(frozen=True)
class _Format:
    """A format: cryptsetup's name and word for it, its own name, and what opens it."""

    kind: str
    word: str
    name: str
    opened_by: str


_FORMATS: Final = {
    each.kind: each
    for each in (
        _Format("bitlk", "BITLK", "BitLocker", "cryptsetup and dislocker open it"),
        _Format("tcrypt", "TCRYPT", "TrueCrypt or VeraCrypt", "cryptsetup and VeraCrypt open them"),
        _Format("fvault2", "FVAULT2", "FileVault2", "cryptsetup and libfvde open it"),
    )
}


def recognised(device: Reader) -> str | None:
    """The format of a device, ``bitlk`` or ``fvault2``; None: it has the signature of neither.

    TrueCrypt and VeraCrypt have no signature: without its passphrase, a volume looks like noise.

    Raises:
        DeviceError: The device cannot be read.
    """
    head = bytearray(min(_HEAD, device.size))
    device.pread_into(head, 0)
    if head[3:11] == _FVE_NAME and head[_GUID : _GUID + 16] in _FVE_GUIDS:
        return "bitlk"
    if head[3:11] == _TO_GO_NAME and head[_GUID_TO_GO : _GUID_TO_GO + 16] in _FVE_GUIDS:
        return "bitlk"
    if all(head[at : at + len(value)] == value for at, value in _CORE_STORAGE):
        return "fvault2"
    return None


def refuse_to_open(path: str, kind: str) -> NoReturn:
    """Say why a device of another format than LUKS is not opened, and what opens it.

    No passphrase was tried, so nothing is said of one.

    Args:
        path: The device's path.
        kind: cryptsetup's name of the format that it is said to have: ``bitlk``, ``tcrypt`` or ``fvault2``.

    Raises:
        FormatError: Always.
        DeviceError: The device does not exist, or cannot be read.
    """
    wanted = _FORMATS[kind]
    with open_readonly(path) as device:
        found = recognised(device)
    if kind == "tcrypt" and found is None:
        raise FormatError(
            f"kdumpkey cannot open {wanted.name} volumes yet, and whether {path} is one cannot be told "
            f"without its passphrase; {wanted.opened_by}. The passphrase was not tried."
        )
    if found == kind:
        raise FormatError(
            f"Device {path} is a {wanted.name} device, which kdumpkey cannot open yet; "
            f"{wanted.opened_by}. The passphrase was not tried."
        )
    is_another = f" It is a {_FORMATS[found].name} device." if found else ""
    raise FormatError(f"Device {path} is not a valid {wanted.word} device.{is_another}")
