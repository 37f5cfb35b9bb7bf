"""A header with all its keyslots, in a file."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, cast

from kdumpkey.errors import ConflictError, OutputError, OutputExistsError
from kdumpkey.luks.header import read_header
from kdumpkey.luks.layout import LUKS1_STRIPES
from kdumpkey.luks.model import SECTOR, Luks1Header, Luks2Header
from kdumpkey.secret import SecretBuffer

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.storage.device import Device

_ALIGNMENT: Final = 4096
_TRIES: Final = 3
_MODE: Final = 0o400  # with a passphrase that was changed since, it opens what that passphrase opened


def header_size(header: LuksHeader) -> int:
    """Bytes from a device's beginning to the end of its last keyslot area."""
    if isinstance(header, Luks1Header):
        sectors = -(-header.key_size * LUKS1_STRIPES // SECTOR)
        end = max(slot.key_material_offset + sectors for slot in header.slots) * SECTOR
        return -(-end // _ALIGNMENT) * _ALIGNMENT
    return cast("Luks2Header", header).areas_end


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
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except FileExistsError as error:
        raise OutputExistsError(f"Requested header backup file {path} already exists.") from error
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot create header backup file {path}.") from error
    try:
        with _copied(device, header) as content, memoryview(content) as view:
            done = 0
            while done < len(view):
                with view[done:] as rest:
                    done += os.write(fd, rest)
        os.fsync(fd)
        _sync_folder(path)
    except OSError as error:
        os.unlink(path)
        raise OutputError(f"Cannot write header backup file {path}.") from error
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


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


def _sync_folder(path: str) -> None:
    """Wait until a file's name is on the medium too, before anything is written that it is needed for."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a filesystem whose folders cannot be synchronised
            raise
    finally:
        os.close(folder)
