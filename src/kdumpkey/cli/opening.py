"""The device of a command line: its path and its header, with cryptsetup's words for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kdumpkey.luks.device import open_luks
from kdumpkey.luks.words import device_path, refusing

if TYPE_CHECKING:
    from kdumpkey.cli.header_choice import HeaderChoice
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice


def open_data_and_header(
    device: str,
    header: HeaderChoice,
    *,
    writable: bool = False,
    cut_short: bool = False,
    salvaging: Session | None = None,
) -> LuksDevice:
    """Open the device and its header.

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
    with refusing(choice.header or path):
        luks = open_luks(
            path,
            header=choice.header,
            version=choice.version,
            writable=writable,
            cut_short=cut_short,
            salvage=salvaging is not None,
        )
    if salvaging is not None:
        for line in luks.losses:
            salvaging.complain(line)
    return luks
