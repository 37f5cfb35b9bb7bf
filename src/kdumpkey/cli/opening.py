"""The device of a command line: its path and its header, with cryptsetup's words for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from kdumpkey.errors import NotLuksError
from kdumpkey.luks.words import device_path, refusing

if TYPE_CHECKING:
    from kdumpkey.cli.header_choice import HeaderChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice

__all__ = [
    "VERSIONS",
    "device_path",
    "open_data_and_header",
    "open_header_alone",
    "refusing",
    "uuid_of",
]

VERSIONS: Final = {None: None, "luks": None, "luks1": 1, "luks2": 2}


def open_data_and_header(
    device: str,
    header: HeaderChoice,
    *,
    writable: bool = False,
    cut_short: bool = False,
    salvaging: Session | None = None,
) -> LuksDevice:
    """Open the device, and its header wherever that is.

    Args:
        device: As it was named.
        header: Where its header is, and of which type it must be.
        writable: Open the device so that its volume can be written to.
        cut_short: Take a header whose device ends before the keyslots' areas do.
        salvaging: Salvage a damaged header for reading, and tell this session what is lost.

    Raises:
        HeaderError: It has no valid header of the wanted type; the last line of the message is cryptsetup's.
        DeviceError: It, or the header's, cannot be opened.
    """
    return _open(device_path(device), header, writable=writable, cut_short=cut_short, salvaging=salvaging)


def uuid_of(device: str, header: HeaderChoice) -> str:
    """The UUID in a valid header; raises as `open_data_and_header`."""
    from kdumpkey.luks.header import read_uuid  # noqa: PLC0415 - formatting reads no header
    from kdumpkey.storage.device import open_readonly  # noqa: PLC0415

    path = header.header or device_path(device)
    with refusing(path), open_readonly(path) as reader:
        return read_uuid(reader, version=_version(header.type))


def open_header_alone(device: str, header: HeaderChoice, *, salvaging: Session | None = None) -> LuksDevice:
    """Open what has the header, for actions that need nothing else; raises as `open_data_and_header`."""
    return _open(header.header or device_path(device), replace(header, header=None), salvaging=salvaging)


def _open(
    path: str,
    choice: HeaderChoice,
    *,
    writable: bool = False,
    cut_short: bool = False,
    salvaging: Session | None = None,
) -> LuksDevice:
    from kdumpkey.luks.device import open_luks  # noqa: PLC0415 - formatting opens nothing

    with refusing(choice.header or path):
        luks = open_luks(
            path,
            header=choice.header,
            version=_version(choice.type),
            writable=writable,
            cut_short=cut_short,
            salvage=salvaging is not None,
        )
    if salvaging is not None:
        for line in luks.losses:
            salvaging.complain(line)
    return luks


def _version(wanted: str | None) -> int | None:
    if wanted not in VERSIONS:
        raise NotLuksError(f"Unknown device type {wanted}.")
    return VERSIONS[wanted]
