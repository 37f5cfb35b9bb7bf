"""A header with all its keyslots, in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from kdumpkey.errors import ConflictError, OutputError, OutputExistsError
from kdumpkey.luks.header import read_header
from kdumpkey.luks.model import Luks1Header, Luks2Header
from kdumpkey.secret import SecretBuffer
from kdumpkey.storage.publish import new_file
from kdumpkey.storage.transfer import write_in_full

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.storage.device import Device

_TRIES: Final = 3
_MODE: Final = 0o400  # with a passphrase that was changed since, the backup still opens the volume


def header_size(header: LuksHeader) -> int:
    """Bytes from a device's beginning to the end of its last keyslot area."""
    match header:
        case Luks1Header():
            return header.aligned_areas_end
        case Luks2Header():
            return header.areas_end
        case _:
            assert_never(header)


def back_up(device: Device, header: LuksHeader, path: str) -> None:
    """Copy a header and its keyslots into a new file that only its owner may read.

    Args:
        device: What the header is on; it is not written to.
        header: As it was read.
        path: The file's name; there must be none yet.

    Raises:
        OutputExistsError: There is a file of this name.
        OutputError: It cannot be written; nothing is left of it.
        ConflictError: The header was changed while it was copied, again and again.
        DeviceError: The device cannot be read.
    """
    step = "create"
    try:
        with new_file(path, mode=_MODE, sync=True) as fd, _copied(device, header) as content:
            step = "write"
            write_in_full(fd, content)
    except OutputExistsError as error:
        raise OutputExistsError(f"Requested header backup file {path} already exists.") from error
    except OutputError as error:
        raise OutputError(f"Cannot {step} header backup file {path}.") from error


def _copied(device: Device, header: LuksHeader) -> SecretBuffer:
    """The bytes, of one header and not of two: they are read again if it was changed meanwhile."""
    for _ in range(_TRIES):
        size = header_size(header)
        content = SecretBuffer(size)
        with memoryview(content) as view:
            device.pread_into(view, 0)
        again = read_header(device, version=header.version)
        if again == header:
            return content
        content.close()
        header = again
    raise ConflictError(f"Device {device.name} is being changed by something else.")
