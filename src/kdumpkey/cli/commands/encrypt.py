"""encrypt: a plaintext image into a volume, the reverse of unlock --to."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from kdumpkey.cli.opening import open_for_writing
from kdumpkey.cli.progress import progress_bar
from kdumpkey.cli.unlocking import volume_key
from kdumpkey.errors import DeviceError, UsageError
from kdumpkey.ops.encrypt import encrypt_file, encrypt_stream, source_size

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.ops.open import LuksDevice
    from kdumpkey.volume import Volume

_KEY_SOURCES = ("key-file", "volume-key-file", "volume-key-keyring", "token-only")


def encrypt(session: Session) -> None:
    """Write a file, or standard input, to the beginning of the volume."""
    options = session.invocation
    source = options.arguments[0]
    if source == "-":
        if not any(options.flag(name) for name in _KEY_SOURCES) or options.text("key-file") == "-":
            raise UsageError("Standard input is the plaintext: the passphrase must come from --key-file.")
        _run(session, session.streams.stdin, "Standard input")
        return
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise DeviceError(f"Device {source} does not exist or access denied.") from error
    try:
        _run(session, fd, source)
    finally:
        os.close(fd)


def _run(session: Session, fd: int, name: str) -> None:
    size = source_size(fd) if name == session.invocation.arguments[0] else None
    with open_for_writing(session, session.invocation.arguments[1]) as luks:
        if any(_same(fd, device.fileno()) for device in (luks.device, luks.header_device)):
            raise UsageError(f"{name} is what is to be written to: it cannot be the plaintext, too.")
        with volume_key(session, luks) as (key, keyslot):
            tier = session.streams.environment.get("KDUMPKEY_AESXTS")
            with luks.volume(key, tier=tier) as volume:
                key.close()
                nbytes = _encrypt(session, fd, name, size, volume)
        if luks.device.is_block:
            luks.device.sync()
        if session.invocation.flag("json"):
            session.say(json.dumps(_result(luks, name, nbytes, keyslot)))


def _encrypt(session: Session, fd: int, name: str, size: int | None, volume: Volume) -> int:
    if size is None:
        return encrypt_stream(fd, name, volume)
    with progress_bar(session.streams, size) as progress:
        encrypt_file(fd, name, size, volume, progress=progress)
    return size


def _result(luks: LuksDevice, name: str, nbytes: int, keyslot: int | None) -> dict[str, object]:
    return {
        "device": luks.device.name,
        "uuid": luks.header.uuid,
        "version": luks.header.version,
        "keyslot": keyslot,
        "from": name,
        "length": nbytes,
    }


def _same(one: int, other: int) -> bool:
    return os.path.samestat(os.fstat(one), os.fstat(other))
