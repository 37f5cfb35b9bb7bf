"""luksFormat: asked for twice, and then done."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.changing import ONLY_LUKS2, area_cipher, kdf_request, key_file_argument, warn_of_other_bytes
from kdumpkey.cli.keyfile import read_exactly, read_key_file
from kdumpkey.cli.opening import device_path
from kdumpkey.cli.passphrase import STDIN, confirm, read_passphrase
from kdumpkey.cli.unlocking import checks_memory, interruptible
from kdumpkey.errors import CipherError, PermissionDeniedError, UsageError
from kdumpkey.luks.create import Format, canonical_cipher, cipher_warnings, format_device, volume_key_size
from kdumpkey.luks.header import primary_version
from kdumpkey.luks.layout import LUKS1_SLOTS
from kdumpkey.storage.device import open_readonly

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session

_VERSIONS: Final = {None: 2, "luks": 2, "luks1": 1, "luks2": 2}
_SECTOR: Final = 512
_DEFAULT_CIPHER: Final = "aes-xts-plain64"


def luks_format(session: Session) -> None:
    """Make a device a LUKS device."""
    options = session.invocation
    kind = options.text("type")
    if kind not in _VERSIONS:
        raise UsageError(f"Unsupported device type {kind}.")
    _check_extras(session, _VERSIONS[kind])
    what = _format(session, _VERSIONS[kind])
    path, header = device_path(session.device), options.text("header")
    key_file = key_file_argument(session, "key-file")
    for warning in cipher_warnings(what.encryption):
        session.complain(f"WARNING: {warning}")
    _check_device(session, path, header)
    with ExitStack() as stack:
        passphrase = stack.enter_context(
            read_key_file(
                key_file,
                offset=options.number("keyfile-offset") or 0,
                nbytes=options.number("keyfile-size") or None,
            )
            if key_file not in (None, STDIN)
            else read_passphrase(
                session,
                f"Enter passphrase for {header or path}: ",
                verify=not session.batch,
                path=key_file,
            )
        )
        if key_file in (None, STDIN) and session.streams.stdin_is_terminal:
            warn_of_other_bytes(session, passphrase)
        volume_key = None
        if (file := options.text("volume-key-file")) is not None:
            volume_key = stack.enter_context(read_exactly(file, volume_key_size(what)))
        stack.enter_context(interruptible())
        number = format_device(path, passphrase, what, header=header, volume_key=volume_key, warn=session.say)
    session.explain(f"Key slot {number} created.")


def _check_extras(session: Session, version: int) -> None:
    """Refuse what LUKS1 has not, and what kdumpkey does not make, before it is left out unnoticed."""
    options = session.invocation
    integrity = options.text("integrity")
    if version == 1 and integrity is not None:
        raise UsageError("Integrity option can be used only for LUKS2 format.")
    if integrity not in (None, "none"):
        raise UsageError(f"kdumpkey does no integrity protection ({integrity}); cryptsetup does.")
    if version == 1 and (options.flag("luks2-metadata-size") or options.flag("luks2-keyslots-size")):
        raise UsageError("Unsupported LUKS2 metadata size options.")


def _format(session: Session, version: int) -> Format:
    options = session.invocation
    bits, cipher = options.number("key-size"), options.text("cipher")
    try:
        encryption = canonical_cipher(_DEFAULT_CIPHER if cipher is None else cipher)
        offset = options.number("offset")
        alignment = options.number("align-payload")
        what = Format(
            version=version,
            encryption=encryption,
            key_size=bits // 8 if bits else None,
            request=kdf_request(session),
            uuid=options.text("uuid"),
            label=options.text("label") or "",
            subsystem=options.text("subsystem") or "",
            sector_size=options.number("sector-size"),
            offset=None if offset is None else offset * _SECTOR,
            alignment=None if alignment is None else alignment * _SECTOR,
            metadata_size=options.number("luks2-metadata-size"),
            keyslots_size=options.number("luks2-keyslots-size") or None,
            area_cipher=area_cipher(session),
            keyslot=options.number("key-slot"),
            check_memory=checks_memory(session),
        )
        volume_key_size(what)
    except CipherError as error:
        raise UsageError(str(error)) from error
    if version == 1 and what.area_cipher is not None:
        raise UsageError(ONLY_LUKS2)
    if version == 1 and (what.keyslot or 0) >= LUKS1_SLOTS:
        raise UsageError(
            f"Key slot {what.keyslot} is invalid, please select between 0 and {LUKS1_SLOTS - 1}."
        )
    return what


def _check_device(session: Session, path: str, header: str | None) -> None:
    if header is not None and not os.path.exists(header):
        _confirmed(session, "Header file does not exist, do you want to create it?")
        try:
            os.close(os.open(header, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except (OSError, ValueError) as error:
            raise UsageError(f"Cannot create header file {header}.") from error
    target = header or path
    with open_readonly(target) as device:
        if session.batch:
            return
        from kdumpkey.luks.signatures import foreign_signature  # noqa: PLC0415 - only for a question

        signature = "crypto_LUKS" if primary_version(device) else foreign_signature(device)
        if signature:
            session.complain(
                f"WARNING: Device {target} already contains a '{signature}' superblock signature."
            )
    if header is not None:
        open_readonly(path).close()
    _confirmed(session, f"This will overwrite data on {target} irrevocably.")


def _confirmed(session: Session, warning: str) -> None:
    try:
        confirm(session, warning)
    except PermissionDeniedError as error:
        raise UsageError("Operation aborted.\n") from error
