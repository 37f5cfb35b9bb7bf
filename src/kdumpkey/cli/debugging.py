"""What --debug says: the facts that a bug report needs, and no secret.

Everything goes to standard error, for standard output may be the plaintext. Salts and digests, which
--debug-json shows with the rest of a LUKS2 header's metadata, give no key away.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kdumpkey import __version__
from kdumpkey._native.aesxts import tier_status, tiers
from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.errors import KdumpkeyError
from kdumpkey.luks import read_header, strict_json
from kdumpkey.luks.model import Luks2Header
from kdumpkey.luks.words import device_path
from kdumpkey.memory.available import available
from kdumpkey.storage.device import open_readonly

if TYPE_CHECKING:
    from kdumpkey.cli.session import Run
    from kdumpkey.luks.model import LuksHeader

_PACKAGES: Final = ("typer", "cryptography", "argon2-cffi")
_PACKAGE: Final = Path(__file__).parents[1]


def describe_run(run: Run) -> None:
    """Say what runs where, and what the device of the command line is."""
    say = _speaker(run)
    say(f"kdumpkey {__version__}, Python {platform.python_version()}, {platform.platform()}")
    say(", ".join(f"{name} {_version(name)}" for name in _PACKAGES))
    say("AES-XTS tiers: " + ", ".join(f"{name} {tier_status(name)}" for name in tiers()))
    have = available()
    say(f"memory available: {have.kib >> 10} MiB, by {have.limit}")
    given = {name for name, value in run.given.items() if value not in (None, False, ())}
    say(f"arguments and options given: {', '.join(sorted(given)) or 'none'}")
    _describe_device(say, run.given, json=run.speech.debug_json)


def describe_error(run: Run, error: BaseException) -> None:
    """Say where an error came from, and what it was caused by."""
    say = _speaker(run)
    cause: BaseException | None = error
    while cause is not None:
        trace, where = cause.__traceback__, ""
        while trace is not None:
            path = Path(trace.tb_frame.f_code.co_filename)
            if path.is_relative_to(_PACKAGE):
                where = f" at {path.relative_to(_PACKAGE)}:{trace.tb_lineno}"
            trace = trace.tb_next
        # The message of an error that is not ours may quote anything; ours never quote a secret.
        text = f": {cause}" if isinstance(cause, (KdumpkeyError, OSError)) and str(cause) else ""
        say(f"{type(cause).__name__}{where}{text}")
        cause = cause.__cause__


def _speaker(run: Run) -> Callable[[str], None]:
    def say(text: str) -> None:
        for line in text.splitlines():
            run.streams.complain(f"# {line}")

    return say


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "is not installed"


def _describe_device(say: Callable[[str], None], given: Mapping[str, object], *, json: bool) -> None:
    device = given.get("device")
    header = next((value for name, value in given.items() if name.endswith("header_header")), None)
    for word in (device, header):
        if isinstance(word, str):
            _describe_file(say, device_path(word))
    word = header if isinstance(header, str) else device
    if not isinstance(word, str):
        return
    try:
        with open_readonly(device_path(word)) as reader:
            found = read_header(reader)
    except KdumpkeyError as error:
        say(f"no header can be read: {type(error).__name__}: {error}")
        return
    _describe_header(say, found)
    match found:
        case Luks2Header() if json:
            say(strict_json.pretty(found.json))


def _describe_file(say: Callable[[str], None], path: str) -> None:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        say(f"{path}: {error}")
        return
    kind = "block device" if stat.S_ISBLK(status.st_mode) else "file"
    if not stat.S_ISBLK(status.st_mode) and not stat.S_ISREG(status.st_mode):
        kind = f"neither block device nor file ({stat.filemode(status.st_mode)})"
    say(f"{path}: {kind}, {status.st_size} bytes, mode {stat.filemode(status.st_mode)}")


def _describe_header(say: Callable[[str], None], header: LuksHeader) -> None:
    say(f"LUKS{header.version} header, UUID {header.uuid}")
    match header:
        case Luks2Header():
            say(f"sequence number {header.seqid}, copies of {header.metadata_size} bytes")
            say(f"requirements: {', '.join(header.requirements) or 'none'}")
    for number, slot in sorted(header.keyslots.items()):
        say(f"keyslot {number}: key of {slot.key_size} bytes, {_kdf(slot.kdf)}, priority {slot.priority}")
    for segment in header.data_segments:
        size = "to the end" if segment.size is None else f"{segment.size} bytes"
        say(
            f"segment {segment.id}: {segment.type} from byte {segment.offset}, {size}, {segment.encryption}, "
            f"sectors of {segment.sector_size} bytes, IV tweak {segment.iv_tweak}"
        )


def _kdf(kdf: object) -> str:
    match kdf:
        case Argon2():
            return f"{kdf.variant} t={kdf.time} m={kdf.memory_kib} KiB p={kdf.parallel}"
        case Pbkdf2():
            return f"PBKDF2-{kdf.hash} {kdf.iterations} iterations"
    return "a KDF that is not known"
