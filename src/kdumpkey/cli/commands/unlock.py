"""unlock and open: check a key, hand it to a keyring, decrypt, map."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import VERSIONS, HeaderChoice
from kdumpkey.cli.key_source import KeySource, MachineChoice, by_key
from kdumpkey.cli.mapping_flags import MappingFlags
from kdumpkey.cli.opening import open_data_and_header
from kdumpkey.cli.options import (
    EVERYWHERE,
    DeviceSize,
    DisableKeyring,
    DisableVeracrypt,
    ExternalTokensPath,
    IvLargeSectors,
    Json,
    LinkVkToKeyring,
    Map,
    PassphraseKey,
    Persistent,
    PlainOffset,
    PlainSectorSize,
    Refresh,
    SerializeMemoryHardPbkdf,
    Shared,
    Size,
    Skip,
    TcryptBackup,
    TcryptHidden,
    TcryptSystem,
    Test,
    TestPassphrase,
    Unbound,
    Veracrypt,
    VeracryptPim,
    VeracryptQueryPim,
)
from kdumpkey.cli.output import Output
from kdumpkey.cli.refusing import refuse_external_tokens, refuse_first
from kdumpkey.cli.session import Run, Session
from kdumpkey.cli.unlocking import KeyslotRequest, volume_key
from kdumpkey.errors import UsageError
from kdumpkey.luks.data_access import warnings_of, warnings_of_nothing
from kdumpkey.luks.words import device_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.secret import SecretBuffer
    from kdumpkey.volume.volume import Volume

app = typer.Typer()
_KNOWN: Final = ("luks", "luks1", "luks2", "plain", "loopaes", "tcrypt", "bitlk", "fvault2")
_TESTED_ELSEWHERE: Final = ("tcrypt", "bitlk", "fvault2")
_TESTABLE: Final = ("luks", "luks1", "luks2", "tcrypt", "bitlk", "fvault2")
_LUKS: Final = ("luks", "luks1", "luks2")


@dataclass(frozen=True)
class OtherTypes:
    """Options of open that are for types of devices other than LUKS, and refused with LUKS."""

    device_size: DeviceSize = None
    size: Size = None
    shared: Shared = False
    skip: Skip = None
    offset: PlainOffset = None
    sector_size: PlainSectorSize = None
    iv_large_sectors: IvLargeSectors = False
    tcrypt_hidden: TcryptHidden = False
    tcrypt_system: TcryptSystem = False
    tcrypt_backup: TcryptBackup = False
    veracrypt: Veracrypt = False
    disable_veracrypt: DisableVeracrypt = False
    veracrypt_pim: VeracryptPim = None
    veracrypt_query_pim: VeracryptQueryPim = False


@action(
    app,
    "open",
    "<device> [--type <type>] [<name>]",
    ignores=EVERYWHERE,
    example="kdumpkey open /dev/sda2 data",
)
def open_device(
    run: Run,
    device: Device,
    header: HeaderChoice,
    keys: KeySource,
    flags: MappingFlags,
    others: OtherTypes,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The mapping's name", show_default=False)
    ] = None,
    test_passphrase: TestPassphrase = False,
    unbound: Unbound = False,
    link_vk_to_keyring: LinkVkToKeyring = None,
    persistent: Persistent = False,
    refresh: Refresh = False,
    disable_keyring: DisableKeyring = False,
    serialize: SerializeMemoryHardPbkdf = False,
    passphrase_key: PassphraseKey = None,
    external_tokens: ExternalTokensPath = None,
) -> None:
    """Map a volume, or with --test-passphrase check a passphrase or key alone."""
    kind = header.type
    mode = _OpenMode(test_passphrase, unbound, persistent, refresh)
    _check_open(others, "luks" if kind is None else kind, mode)
    refuse_first(
        (
            disable_keyring and link_vk_to_keyring is not None,
            "Cannot link volume key to a keyring when keyring is disabled.",
        ),
        (
            disable_keyring and passphrase_key is not None,
            "Cannot use keyring key description when keyring is disabled.",
        ),
    )
    session = run.begin()
    refuse_external_tokens(external_tokens)
    keys = _with_passphrase_key(keys, passphrase_key)
    mapping = None if test_passphrase else name
    if mapping is None and not test_passphrase and kind in (None, *_KNOWN):
        raise UsageError("Command requires device and mapped name as arguments.")
    _check_type(device, kind, test=test_passphrase)
    link = _link_target(session, link_vk_to_keyring, keys.machine)
    with open_data_and_header(device, header) as luks:
        map_it: Callable[[SecretBuffer], object] = _map_nothing
        if mapping is not None:
            _check_mapping(refresh=refresh, disable_keyring=disable_keyring)
            map_it = _mapping_to(session, luks, mapping, flags, persistent=persistent)
        request = KeyslotRequest(unbound=unbound, serialize=serialize, every_key=test_passphrase)
        with volume_key(session, luks, keys, request) as (key, _):
            link(key)
            for warning in () if mapping is None else warnings_of_nothing(luks.header, luks.device.name):
                session.complain(f"WARNING: {warning}")
            map_it(key)


def _check_type(device: str, kind: str | None, *, test: bool) -> None:
    """Refuse a type of device that there is not, or that kdumpkey does not open."""
    if kind is not None and kind not in _KNOWN:
        raise UsageError(f"Unrecognized metadata device type {kind}.")
    if not test and kind is not None and kind not in VERSIONS:
        raise UsageError(f"kdumpkey does not open {kind} devices; cryptsetup does.")
    if kind in _TESTED_ELSEWHERE:
        from kdumpkey.formats.recognise import refuse_to_open  # noqa: PLC0415 - LUKS needs no other format

        refuse_to_open(device_path(device), kind)


def _check_mapping(*, refresh: bool, disable_keyring: bool) -> None:
    """Refuse what cryptsetup does with mappings and kdumpkey does not."""
    if refresh:
        raise UsageError("kdumpkey does not do open --refresh; cryptsetup does.")
    if disable_keyring:
        raise UsageError("kdumpkey gives dm-crypt a key by the kernel's keyring alone, never in the table.")


def _map_nothing(_key: SecretBuffer) -> None:
    """What a check of a passphrase does with the key."""


@action(app, "unlock", "<device>", example="kdumpkey unlock disk.img --to plain.img")
def unlock(
    run: Run,
    device: Device,
    header: HeaderChoice,
    keys: KeySource,
    output: Output,
    flags: MappingFlags,
    test: Test = False,
    map_name: Map = None,
    unbound: Unbound = False,
    link_vk_to_keyring: LinkVkToKeyring = None,
    serialize: SerializeMemoryHardPbkdf = False,
    passphrase_key: PassphraseKey = None,
    as_json: Json = False,
) -> None:
    """Check a key, and with --to decrypt, with --map map; --json tells what was found."""
    _check_unlock(output, keys, _UnlockMode(test, map_name, unbound, as_json))
    session = run.begin()
    keys = _with_passphrase_key(keys, passphrase_key)
    link = _link_target(session, link_vk_to_keyring, keys.machine)
    with open_data_and_header(device, header, cut_short=True, salvaging=session) as luks:
        if output.to is not None:
            luks.check_data_apart()
        map_it = None if map_name is None else _mapping_to(session, luks, map_name, flags)
        request = KeyslotRequest(unbound=unbound, serialize=serialize)
        with volume_key(session, luks, keys, request) as (key, keyslot):
            link(key)
            result: dict[str, object] = {
                "device": luks.device.name,
                "uuid": luks.header.uuid,
                "version": luks.header.version,
                "keyslot": keyslot,
            }
            for warning in warnings_of(luks):
                session.complain(f"WARNING: {warning}")
            if map_it is not None:
                result["map"] = map_it(key)
            if output.to is not None:
                with luks.volume(key, tier=session.streams.environment.get("KDUMPKEY_AESXTS")) as volume:
                    key.close()  # the volume has its own, and the decryption may take hours
                    result |= _decrypted(session, luks, volume, output)
            if as_json:
                session.say(json.dumps(result))


def _with_passphrase_key(keys: KeySource, description: str | None) -> KeySource:
    passphrase = by_key(keys.unlock.passphrase, description)
    return replace(keys, unlock=replace(keys.unlock, passphrase=passphrase))


class _OpenMode(NamedTuple):
    """What open does besides mapping a volume, as options say."""

    test: bool
    unbound: bool
    persistent: bool
    refresh: bool


def _check_open(others: OtherTypes, kind: str, mode: _OpenMode) -> None:
    plain = kind in ("plain", "loopaes")
    test, unbound, persistent, refresh = mode
    refuse_first(
        (persistent and test, "Option --persistent is not allowed with --test-passphrase."),
        (refresh and test, "Options --refresh and --test-passphrase are mutually exclusive."),
        (
            None not in (others.device_size, others.size),
            "Options --device-size and --size cannot be combined.",
        ),
        (others.shared and kind != "plain", "Option --shared is allowed only for open of plain device."),
        (
            others.skip is not None and not plain,
            "Option --skip is supported only for open of plain and loopaes devices.",
        ),
        (
            others.offset is not None and not plain,
            "Option --offset with open action is only supported for plain and loopaes devices.",
        ),
        (
            test and kind not in _TESTABLE and not kind.startswith("luks"),
            "Option --test-passphrase is allowed only for open of LUKS, TCRYPT, BITLK and FVAULT2 devices.",
        ),
        (
            (others.tcrypt_hidden or others.tcrypt_system or others.tcrypt_backup) and kind != "tcrypt",
            "Option --tcrypt-hidden, --tcrypt-system or --tcrypt-backup is supported only for TCRYPT device.",
        ),
        (
            (others.veracrypt or others.disable_veracrypt) and kind != "tcrypt",
            "Option --veracrypt or --disable-veracrypt is supported only for TCRYPT device type.",
        ),
        (
            others.veracrypt_pim is not None and others.disable_veracrypt,
            "Option --veracrypt-pim is supported only for VeraCrypt compatible devices.",
        ),
        (
            others.veracrypt_query_pim and others.disable_veracrypt,
            "Option --veracrypt-query-pim is supported only for VeraCrypt compatible devices.",
        ),
        (
            others.veracrypt_pim is not None and others.veracrypt_query_pim,
            "The options --veracrypt-pim and --veracrypt-query-pim are mutually exclusive.",
        ),
        (unbound and kind not in _LUKS, "Option --unbound is allowed only for open of luks device."),
        (unbound and not test, "Option --unbound cannot be used without --test-passphrase."),
        (
            others.sector_size is not None and kind != "plain",
            "Sector size option with open action is supported only for plain devices.",
        ),
        (
            others.iv_large_sectors and (kind != "plain" or others.sector_size in (None, 512)),
            "Large IV sectors option is supported only for opening plain type device with sector size larger"
            " than 512 bytes.",
        ),
    )


class _UnlockMode(NamedTuple):
    """What unlock does besides decrypting a volume, as options say."""

    test: bool
    map_name: str | None
    unbound: bool
    as_json: bool


def _check_unlock(output: Output, keys: KeySource, mode: _UnlockMode) -> None:
    to = output.to
    test, map_name, unbound, as_json = mode
    refuse_first(
        (test and to is not None, "Options --test and --to are mutually exclusive."),
        (map_name is not None and unbound, "Option --unbound is not allowed with --map."),
        (
            None not in (keys.volume_key_file, keys.volume_key_keyring),
            "Options --volume-key-file and --volume-key-keyring are mutually exclusive.",
        ),
        (
            map_name is not None and (to is not None or test),
            "Option --map is not possible with --to or --test.",
        ),
        (output.sparse and to == "-", "Option --sparse needs a file to write to."),
        (as_json and to == "-", "Option --json is not possible with --to -."),
        (output.start is not None and to is None, "Option --from needs --to."),
        (output.length is not None and to is None, "Option --length needs --to."),
        (output.sparse and to is None, "Option --sparse needs --to."),
        (output.force and to is None, "Option --force needs --to."),
    )


def _mapping_to(
    session: Session, luks: LuksDevice, name: str, flags: MappingFlags, *, persistent: bool = False
) -> Callable[[SecretBuffer], str]:
    from kdumpkey.cli.mapped import mapping_to  # noqa: PLC0415 - a mere check needs no device-mapper

    return mapping_to(session, luks, name, flags, persistent=persistent)


def _decrypted(session: Session, luks: LuksDevice, volume: Volume, output: Output) -> dict[str, object]:
    from kdumpkey.cli.decrypting import decrypt  # noqa: PLC0415 - a mere check writes nothing

    return decrypt(session, luks, volume, output)


def _link_target(
    session: Session, text: str | None, machine: MachineChoice
) -> Callable[[SecretBuffer], None]:
    """What --link-vk-to-keyring does with the volume key; the keyring is found before anyone is asked."""
    if text is None:
        return lambda _key: None
    from kdumpkey.cli.linking import linking  # noqa: PLC0415 - few keys are linked to a keyring

    return linking(session, text, machine)
