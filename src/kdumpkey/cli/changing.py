"""What the actions that change a header begin with: the device, the costs asked for, the new passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kdumpkey.cli.header_choice import VERSIONS
from kdumpkey.cli.interruptible import interruptible
from kdumpkey.cli.keyfile import read_key, read_key_file
from kdumpkey.cli.options import NewKeyfileOffset, NewKeyfileSize
from kdumpkey.cli.passphrase import STDIN, typed
from kdumpkey.cli.refusing import refuse_first
from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.errors import HeaderError, KdfError, NotLuksError, ResourceError, UsageError
from kdumpkey.luks import new_keyslot
from kdumpkey.luks.choose_kdf import KdfRequest, checked_request, choose_kdf
from kdumpkey.luks.seal import AreaCipher, Recipe
from kdumpkey.luks.store import HeaderStore, open_store
from kdumpkey.luks.words import device_path

if TYPE_CHECKING:
    from kdumpkey.cli.header_choice import HeaderChoice
    from kdumpkey.cli.kdf_choice import KdfChoice
    from kdumpkey.cli.key_source import PassphraseSource
    from kdumpkey.cli.session import Session
    from kdumpkey.crypto.kdf import Kdf
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.luks.model import LuksHeader, UnknownKdf
    from kdumpkey.secret import SecretBuffer

_KEY_BYTES: Final = 64
ONLY_LUKS2: Final = "Keyslot encryption parameters can be set only for LUKS2 device."
_NON_ASCII: Final = (
    "WARNING: The passphrase has characters outside ASCII. It is taken as the bytes that were typed: "
    "with another keyboard or locale, as in an initramfs, the same characters may be other bytes."
)


@dataclass(frozen=True)
class NewKeyfilePart:
    """Which part of a file is the new passphrase."""

    offset: NewKeyfileOffset = None
    size: NewKeyfileSize = None


def open_for_change(
    device: str,
    choice: HeaderChoice,
    *,
    version: int | None = None,
    of_any_type: bool = False,
    exclusive: bool = False,
) -> HeaderStore:
    """Open what has the header for changing it.

    Args:
        device: As it was named.
        choice: Where its header is, and of which type it must be.
        version: What the action needs, where one version of LUKS cannot do it.
        of_any_type: --type does not say what the header is, but what it is to become.
        exclusive: Refuse a block device that is in use.

    Raises:
        HeaderError: It has no valid header of the wanted type; the last line of the message is cryptsetup's.
        DeviceError: It cannot be opened.
    """
    path = choice.header or device_path(device)
    wanted = None if of_any_type else choice.type
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


def check_recipe(kdf: KdfChoice, header: LuksHeader) -> None:
    """Refuse options that no new keyslot of a header can follow, before anybody types anything.

    Raises:
        KdfError: The costs are out of bounds, or the header cannot say the function.
        UsageError: It cannot say the area's encryption.
    """
    if header.version == 1 and area_cipher(kdf) is not None:
        raise UsageError(ONLY_LUKS2)
    checked_request(kdf_request(kdf), header)


def check_costs(kdf: KdfChoice) -> None:
    """Refuse costs that contradict each other.

    Raises:
        UsageError: Two costs contradict each other.
    """
    refuse_first(
        (
            (kdf.keyslot_cipher is None) != (kdf.keyslot_key_bits is None),
            "Options --keyslot-cipher and --keyslot-key-size must be used together.",
        ),
        (
            None not in (kdf.force_iterations, kdf.iter_time_ms),
            "PBKDF forced iterations cannot be combined with iteration time option.",
        ),
        (
            None not in (kdf.force_iterations, kdf.calibrate),
            "Option --calibrate measures costs; --pbkdf-force-iterations sets them.",
        ),
    )


def recipe(kdf: KdfChoice, header: LuksHeader, *, check_memory: bool) -> Recipe:
    """How the options want a new keyslot of a header made; unless the costs are forced, this measures them.

    Raises:
        KdfError: The costs are out of bounds, or the header cannot say the function.
    """
    request = kdf_request(kdf)
    return Recipe(choose_kdf(request, header), request.af_hash, area_cipher(kdf), check_memory)


def report_costs(session: Session, kdf: KdfChoice, function: Kdf | UnknownKdf | None) -> None:
    """Say how long a new keyslot takes to open, here: with kdumpkey, and with cryptsetup.

    Measuring takes both times, so it is done only where --calibrate asks for it.

    Args:
        session: The run.
        kdf: What the options say.
        function: The keyslot's function.
    """
    if kdf.calibrate is None or not isinstance(function, Argon2 | Pbkdf2):
        return
    from kdumpkey.crypto.calibrate import both_seconds  # noqa: PLC0415 - forced costs are not measured

    try:
        with interruptible():
            ours, theirs = both_seconds(function, _KEY_BYTES)
    except (KdfError, ResourceError) as error:  # the keyslot is there all the same
        session.complain(f"WARNING: How long the keyslot takes to open cannot be measured: {error}")
        return
    session.complain(
        f"The keyslot opens in {ours:.2f} s with kdumpkey's own implementation here, "
        f"and in {theirs:.2f} s with cryptsetup's."
    )


def kdf_request(kdf: KdfChoice) -> KdfRequest:
    """What the options say about a new keyslot's key derivation function."""
    return KdfRequest(
        kind=kdf.pbkdf,
        hash=kdf.hash,
        iterations=kdf.force_iterations,
        time_ms=kdf.iter_time_ms,
        memory_kib=kdf.memory_kib,
        parallel=kdf.parallel,
        fast=kdf.calibrate == "fast",
    )


def area_cipher(kdf: KdfChoice) -> AreaCipher | None:
    """The encryption that the options want for a keyslot's area; None: as the data's.

    Raises:
        CipherError: It cannot be.
    """
    if kdf.keyslot_cipher is None or kdf.keyslot_key_bits is None:
        return None
    return new_keyslot.area_cipher(kdf.keyslot_cipher, kdf.keyslot_key_bits // 8)


def read_new_passphrase(
    session: Session, prompt: str, path: str | None, part: NewKeyfilePart, source: PassphraseSource
) -> SecretBuffer:
    """Read a new passphrase: from a key file if there is a path, else from standard input or a terminal.

    A person types it twice, unless in batch mode.

    Raises:
        UsageError: No passphrase can be read.
        PermissionDeniedError: The two typed were not the same.
    """
    offset, nbytes = part.offset or 0, part.size or None
    if path is not None and path != STDIN:
        return read_key_file(path, offset=offset, nbytes=nbytes)
    if not session.streams.stdin_is_terminal:
        if source.verify:
            session.complain("Can't do passphrase verification on non-tty inputs.")
        return read_key(session.streams.stdin, offset=offset, nbytes=nbytes, line=path is None)
    passphrase = typed(session, prompt, not session.batch or source.verify, source.timeout_s)
    warn_of_other_bytes(session, passphrase)
    return passphrase


def warn_of_other_bytes(session: Session, passphrase: SecretBuffer) -> None:
    """Say so where a passphrase that was typed has bytes that another keyboard may not make."""
    with memoryview(passphrase) as view:
        if any(byte > 0x7F for byte in view):
            session.complain(_NON_ASCII)


def key_file_named(session: Session, argument: str | None, option: str | None) -> str | None:
    """The key file that an argument or --key-file names; of two, the option's, as with cryptsetup."""
    if option is not None and argument is not None:
        session.complain("Option --key-file takes precedence over specified key file argument.")
    return argument if option is None else option
