"""encrypt: a plaintext image, or standard input, into an opened volume."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.opening import open_data_and_header
from kdumpkey.cli.passphrase import STDIN, confirm
from kdumpkey.cli.progress import progress_bar
from kdumpkey.cli.unlocking import volume_key
from kdumpkey.errors import DeviceError, PermissionDeniedError, UsageError
from kdumpkey.volume.encrypt import encrypt_file

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session

_KEY_SOURCES: Final = ("volume-key-file", "volume-key-keyring", "token-only", "from-kdump")


def encrypt(session: Session) -> None:
    """Write a file's content, encrypted, into a device."""
    options = session.invocation
    source, device = options.arguments[0], options.arguments[1]
    typed = options.text("key-file") in (None, STDIN) and not any(map(options.flag, _KEY_SOURCES))
    if source == STDIN and typed:
        raise UsageError("Standard input is what is encrypted: the passphrase needs --key-file.")
    fd = session.streams.stdin if source == STDIN else _open(source)
    try:
        with open_data_and_header(session, device, writable=True) as luks:
            if os.path.samestat(os.fstat(fd), os.fstat(luks.device.fileno())):
                raise UsageError(f"{source} is the device itself.")
            try:
                confirm(session, f"This will overwrite data on {device} irrevocably.")
            except PermissionDeniedError as error:
                raise UsageError("Operation aborted.\n") from error
            with volume_key(session, luks) as (key, _):
                tier = session.streams.environment.get("KDUMPKEY_AESXTS")
                with luks.volume(key, tier=tier) as volume:
                    key.close()  # the volume has its own
                    status = os.fstat(fd)
                    total = status.st_size if stat.S_ISREG(status.st_mode) else 0
                    start = options.number("from") or 0
                    with progress_bar(session.streams, total) as progress:
                        done = encrypt_file(volume, luks.device, fd, source, start=start, progress=progress)
                    size = volume.size
    finally:
        if source != STDIN:
            os.close(fd)
    if options.flag("json"):
        session.say(json.dumps({"device": device, "from": start, "length": done, "volume_bytes": size}))
    else:
        session.explain(f"{done} bytes were encrypted; the volume has {size}.")


def _open(path: str) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DeviceError(f"Cannot read {path}: {reason}.") from error
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise DeviceError(f"Cannot read {path}: it is a directory.")
    return fd
