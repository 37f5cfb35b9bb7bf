"""luksFormat: asked for twice, and then done."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device, KeyFileArgument
from kdumpkey.cli.changing import (
    ONLY_LUKS2,
    area_cipher,
    check_costs,
    kdf_request,
    key_file_named,
    report_costs,
    warn_of_other_bytes,
)
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.interruptible import interruptible
from kdumpkey.cli.kdf_choice import KdfChoice
from kdumpkey.cli.key_source import PassphraseSource, UnlockSource, by_key
from kdumpkey.cli.options import (
    EVERYWHERE,
    AlignPayload,
    Cipher,
    DisableBlkid,
    HwOpal,
    HwOpalOnly,
    Integrity,
    IntegrityInline,
    IntegrityNoWipe,
    KdfMemoryCheck,
    KeySize,
    KeySlot,
    Label,
    Luks2KeyslotsSize,
    Luks2MetadataSize,
    Offset,
    PassphraseKey,
    ProgressJson,
    SectorSize,
    Subsystem,
    UseRandom,
    UseUrandom,
    Uuid,
    VolumeKeyFile,
    VolumeKeyKeyring,
)
from kdumpkey.cli.passphrase import STDIN, confirm, read_passphrase
from kdumpkey.cli.refusing import refuse_first
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import CipherError, OutputError, UsageError
from kdumpkey.luks.create import Format, canonical_cipher, cipher_warnings, format_device, volume_key_size
from kdumpkey.luks.header import primary_version
from kdumpkey.luks.layout import LUKS1_SLOTS
from kdumpkey.luks.volume_key_file import read_exactly
from kdumpkey.luks.words import device_path
from kdumpkey.storage.device import open_readonly
from kdumpkey.storage.publish import write_file

app = typer.Typer()
_VERSIONS: Final = {None: 2, "luks": 2, "luks1": 1, "luks2": 2}
_SECTOR: Final = 512
_DEFAULT_CIPHER: Final = "aes-xts-plain64"


@dataclass(frozen=True)
class NewLayout:
    """What a header says besides its keyslots, and where the data begin."""

    cipher: Cipher = None
    key_size_bits: KeySize = None
    sector_size: SectorSize = None
    offset_sectors: Offset = None
    align_sectors: AlignPayload = None
    metadata_size: Luks2MetadataSize = None
    keyslots_size: Luks2KeyslotsSize = None
    uuid: Uuid = None
    label: Label = None
    subsystem: Subsystem = None
    integrity: Integrity = None
    integrity_no_wipe: IntegrityNoWipe = False
    integrity_inline: IntegrityInline = False
    hw_opal: HwOpal = False
    hw_opal_only: HwOpalOnly = False


@action(
    app,
    "luksFormat",
    "<device> [<new key file>]",
    ignores=(*EVERYWHERE, ProgressJson),
    example="kdumpkey luksFormat /dev/sda2 --label backup",
)
def luks_format(
    run: Run,
    device: Device,
    header: HeaderChoice,
    passphrase: PassphraseSource,
    layout: NewLayout,
    kdf: KdfChoice,
    new_key_file: KeyFileArgument = None,
    key_slot: KeySlot = None,
    volume_key_file: VolumeKeyFile = None,
    memory_check: KdfMemoryCheck = None,
    volume_key_keyring: VolumeKeyKeyring = None,
    passphrase_key: PassphraseKey = None,
    disable_blkid: DisableBlkid = False,
    use_random: UseRandom = False,
    use_urandom: UseUrandom = False,
) -> None:
    """Make a device a LUKS device."""
    check_costs(kdf)
    refuse_first(
        (
            None not in (layout.align_sectors, layout.offset_sectors),
            "Options --align-payload and --offset cannot be combined.",
        ),
        (
            layout.integrity_no_wipe and layout.integrity is None,
            "Option --integrity-no-wipe can be used only for format action with integrity extension.",
        ),
        (use_random and use_urandom, "Only one of --use-[u]random options is allowed."),
        (
            layout.integrity_inline and layout.integrity is None,
            "Inline integrity must be used together with --integrity option.",
        ),
        (
            None not in (volume_key_file, volume_key_keyring),
            "Options --volume-key-file and --volume-key-keyring are mutually exclusive.",
        ),
    )
    session = run.begin()
    if header.type not in _VERSIONS:
        raise UsageError(f"Unsupported device type {header.type}.")
    version = _VERSIONS[header.type]
    _check_extras(layout, version)
    checks_memory = UnlockSource(memory_check=memory_check).checks_memory
    what = replace(_format(layout, kdf, version, key_slot, checks_memory), header=header.header)
    path = device_path(device)
    key_file = key_file_named(session, new_key_file, passphrase.key_file)
    for warning in cipher_warnings(what.encryption):
        session.complain(f"WARNING: {warning}")
    _check_device(session, path, header.header, signatures=not disable_blkid)
    typed = key_file in (None, STDIN) and passphrase_key is None
    with ExitStack() as stack:
        secret = stack.enter_context(
            read_passphrase(
                session,
                by_key(
                    replace(passphrase, key_file=key_file, verify=passphrase.verify and typed), passphrase_key
                ),
                f"Enter passphrase for {header.header or path}: ",
                verify=typed and not session.batch,
            )
        )
        if typed and session.streams.stdin_is_terminal:
            warn_of_other_bytes(session, secret)
        volume_key = None
        if volume_key_file is not None:
            volume_key = stack.enter_context(read_exactly(volume_key_file, volume_key_size(what)))
        elif volume_key_keyring is not None:
            from kdumpkey.cli.keyring_key import volume_key_in_keyring  # noqa: PLC0415 - few keys lie in keyrings

            volume_key = stack.enter_context(volume_key_in_keyring(volume_key_keyring))
            if len(volume_key) != volume_key_size(what):
                raise UsageError(
                    f"The key in the keyring has {len(volume_key)} bytes, and {what.encryption} takes "
                    f"{volume_key_size(what)}: --key-size sets another size."
                )
        stack.enter_context(interruptible())
        number = format_device(path, secret, what, volume_key=volume_key, warn=session.say)
    session.explain(f"Key slot {number} created.")
    if kdf.calibrate is not None:
        from kdumpkey.luks.device import open_luks  # noqa: PLC0415 - only who asks for the times waits for it

        with open_luks(path, header=header.header) as made:
            report_costs(session, kdf, made.header.keyslots[number].kdf)


def _check_extras(layout: NewLayout, version: int) -> None:
    """Refuse what LUKS1 has not, and what kdumpkey does not make, before it is left out unnoticed."""
    if version == 1 and layout.integrity is not None:
        raise UsageError("Integrity option can be used only for LUKS2 format.")
    if layout.hw_opal or layout.hw_opal_only:
        option = "--hw-opal-only" if layout.hw_opal_only else "--hw-opal"
        raise UsageError(f"kdumpkey makes no OPAL devices ({option}); cryptsetup does.")
    if layout.integrity not in (None, "none"):
        raise UsageError(f"kdumpkey does no integrity protection ({layout.integrity}); cryptsetup does.")
    if version == 1 and (layout.metadata_size, layout.keyslots_size) != (None, None):
        raise UsageError("Unsupported LUKS2 metadata size options.")


def _format(
    layout: NewLayout, kdf: KdfChoice, version: int, key_slot: int | None, checks_memory: bool
) -> Format:
    bits, offset, alignment = layout.key_size_bits, layout.offset_sectors, layout.align_sectors
    try:
        what = Format(
            version=version,
            encryption=canonical_cipher(_DEFAULT_CIPHER if layout.cipher is None else layout.cipher),
            key_size=bits // 8 if bits else None,
            request=kdf_request(kdf),
            uuid=layout.uuid,
            label=layout.label or "",
            subsystem=layout.subsystem or "",
            sector_size=layout.sector_size,
            offset=None if offset is None else offset * _SECTOR,
            alignment=None if alignment is None else alignment * _SECTOR,
            metadata_size=layout.metadata_size,
            keyslots_size=layout.keyslots_size or None,
            area_cipher=area_cipher(kdf),
            keyslot=key_slot,
            check_memory=checks_memory,
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


def _check_device(session: Session, path: str, header: str | None, *, signatures: bool) -> None:
    if header is not None and not os.path.exists(header):
        _confirmed(session, "Header file does not exist, do you want to create it?")
        try:
            write_file(header, b"")
        except OutputError as error:
            raise UsageError(f"Cannot create header file {header}.") from error
    target = header or path
    with open_readonly(target) as device:
        if session.batch:
            return
        from kdumpkey.luks.signatures import foreign_signature  # noqa: PLC0415 - only for a question

        signature = "crypto_LUKS" if primary_version(device) else foreign_signature(device)
        if signature and signatures:
            session.complain(
                f"WARNING: Device {target} already contains a '{signature}' superblock signature."
            )
    if header is not None:
        open_readonly(path).close()
    _confirmed(session, f"This will overwrite data on {target} irrevocably.")


def _confirmed(session: Session, warning: str) -> None:
    confirm(session, warning, UsageError("Operation aborted.\n"))
