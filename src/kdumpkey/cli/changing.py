"""What the actions that change a header begin with: the device, the costs asked for, the new passphrase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kdumpkey.cli.keyfile import read_key, read_key_file
from kdumpkey.cli.opening import VERSIONS, device_path
from kdumpkey.cli.passphrase import STDIN
from kdumpkey.cli.unlocking import checks_memory
from kdumpkey.errors import HeaderError, NotLuksError, UsageError
from kdumpkey.luks import new_keyslot
from kdumpkey.luks.choose_kdf import KdfRequest, checked_request, choose_kdf
from kdumpkey.luks.new_keyslot import AreaCipher, Recipe
from kdumpkey.luks.store import HeaderStore, open_store

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader
    from kdumpkey.secret import SecretBuffer

ONLY_LUKS2: Final = "Keyslot encryption parameters can be set only for LUKS2 device."
_NON_ASCII: Final = (
    "WARNING: The passphrase has characters outside ASCII. It is taken as the bytes that were typed: "
    "with another keyboard or locale, as in an initramfs, the same characters may be other bytes."
)


def open_for_change(
    session: Session,
    *,
    version: int | None = None,
    device: str | None = None,
    of_any_type: bool = False,
    exclusive: bool = False,
) -> HeaderStore:
    """Open what has the header for changing it.

    Args:
        session: The run.
        version: What the action needs, where one version of LUKS cannot do it.
        device: Default: its first argument.
        of_any_type: --type does not say what the header is, but what it is to become.
        exclusive: Refuse a block device that is in use.

    Raises:
        HeaderError: It has no valid header of the wanted type; the last line of the message is cryptsetup's.
        DeviceError: It cannot be opened.
    """
    header = session.invocation.text("header")
    device = device_path(session.device if device is None else device)
    path = header or device
    wanted = None if of_any_type else session.invocation.text("type")
    name = "LUKS" if version is None else f"LUKS{version}"
    refusal = f"Device {path} is not a valid {name} device."
    if wanted not in VERSIONS or (None not in (version, VERSIONS[wanted]) and version != VERSIONS[wanted]):
        raise NotLuksError(refusal)
    try:
        return open_store(path, version=version or VERSIONS[wanted], exclusive=exclusive)
    except NotLuksError as error:
        raise NotLuksError(refusal) from error
    except HeaderError as error:
        raise type(error)(f"{error}\n{refusal}") from error


def as_device(store: HeaderStore) -> LuksDevice:
    """The store as what keyslots are opened with; it stays the store's to close."""
    from kdumpkey.luks.device import LuksDevice  # noqa: PLC0415 - formatting opens no keyslot

    return LuksDevice(store.device, store.device, store.header)


def check_recipe(session: Session, header: LuksHeader) -> None:
    """Refuse options that no new keyslot of a header can follow, before anybody types anything.

    Raises:
        KdfError: The costs are out of bounds, or the header cannot say the function.
        UsageError: It cannot say the area's encryption.
    """
    if header.version == 1 and area_cipher(session) is not None:
        raise UsageError(ONLY_LUKS2)
    checked_request(kdf_request(session), header)


def recipe(session: Session, header: LuksHeader) -> Recipe:
    """How the options want a new keyslot of a header made; unless the costs are forced, this measures them.

    Raises:
        KdfError: The costs are out of bounds, or the header cannot say the function.
    """
    request = kdf_request(session)
    return Recipe(choose_kdf(request, header), request.af_hash, area_cipher(session), checks_memory(session))


def kdf_request(session: Session) -> KdfRequest:
    """What the options say about a new keyslot's key derivation function."""
    options = session.invocation
    return KdfRequest(
        kind=options.text("pbkdf"),
        hash=options.text("hash"),
        iterations=options.number("pbkdf-force-iterations"),
        time_ms=options.number("iter-time"),
        memory_kib=options.number("pbkdf-memory"),
        parallel=options.number("pbkdf-parallel"),
    )


def area_cipher(session: Session) -> AreaCipher | None:
    """The encryption that the options want for a keyslot's area; None: as the data's.

    Raises:
        CipherError: It cannot be.
    """
    options = session.invocation
    encryption, bits = options.text("keyslot-cipher"), options.number("keyslot-key-size")
    if encryption is None or bits is None:
        return None
    return new_keyslot.area_cipher(encryption, bits // 8)


def read_new_passphrase(session: Session, prompt: str, path: str | None) -> SecretBuffer:
    """Read a new passphrase: from a key file if there is a path, else from standard input or a terminal.

    A person types it twice, unless in batch mode.

    Raises:
        UsageError: There is none to be had.
        PermissionDeniedError: The two typed were not the same.
    """
    options = session.invocation
    offset, nbytes = options.number("new-keyfile-offset") or 0, options.number("new-keyfile-size") or None
    if path is not None and path != STDIN:
        return read_key_file(path, offset=offset, nbytes=nbytes)
    if not session.streams.stdin_is_terminal:
        if options.flag("verify-passphrase"):
            session.complain("Can't do passphrase verification on non-tty inputs.")
        return read_key(session.streams.stdin, offset=offset, nbytes=nbytes, line=path is None)
    from kdumpkey.cli.passphrase import typed  # noqa: PLC0415 - only where there is a terminal

    passphrase = typed(session, prompt, verify=not session.batch or options.flag("verify-passphrase"))
    warn_of_other_bytes(session, passphrase)
    return passphrase


def warn_of_other_bytes(session: Session, passphrase: SecretBuffer) -> None:
    """Say so where a passphrase that was typed has bytes that another keyboard may not make."""
    with memoryview(passphrase) as view:
        if any(byte > 0x7F for byte in view):
            session.complain(_NON_ASCII)


def key_file_argument(session: Session, option: str) -> str | None:
    """The key file named by the action's second argument or by an option; of two, cryptsetup's choice."""
    arguments = session.invocation.arguments
    named = session.invocation.text(option)
    argument = arguments[1] if len(arguments) > 1 else None
    if named is None or argument is None:
        return argument if named is None else named
    if option == "new-keyfile":
        return argument
    session.complain("Option --key-file takes precedence over specified key file argument.")
    return named
