"""encrypt: a plaintext image, or standard input, into an opened volume."""

from __future__ import annotations

import json
import os
import stat
from typing import Annotated

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.key_source import KeySource
from kdumpkey.cli.opening import open_data_and_header
from kdumpkey.cli.options import Json, Start
from kdumpkey.cli.passphrase import STDIN, confirm
from kdumpkey.cli.progress import progress_bar
from kdumpkey.cli.session import Run
from kdumpkey.cli.unlocking import volume_key
from kdumpkey.errors import DeviceError, UsageError
from kdumpkey.luks.data_access import warnings_of_nothing
from kdumpkey.storage.extent import share_bytes
from kdumpkey.volume.encrypt import encrypt_from

app = typer.Typer()


@action(
    app, "encrypt", "<file|-> <device>", example="kdumpkey encrypt plain.img /dev/sda2 --key-file sda2.key"
)
def encrypt(
    run: Run,
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="The plaintext (-: standard input)", show_default=False)
    ],
    device: Device,
    header: HeaderChoice,
    keys: KeySource,
    start: Start = None,
    as_json: Json = False,
) -> None:
    """Write a file's content, encrypted, to a device."""
    session = run.begin()
    if source == STDIN and _reads_standard_input(keys):
        raise UsageError("Standard input is what is encrypted: the passphrase needs --key-file.")
    fd = session.streams.stdin if source == STDIN else _open(source)
    try:
        with open_data_and_header(device, header, writable=True) as luks:
            if share_bytes(fd, luks.device.fileno()):
                raise UsageError(f"{source} is the device itself, or has bytes of it.")
            refusal = UsageError("Operation aborted.\n")
            confirm(session, f"This will overwrite data on {device} irrevocably.", refusal)
            with volume_key(session, luks, keys) as (key, _):
                for warning in warnings_of_nothing(luks.header, device):
                    session.complain(f"WARNING: {warning}")
                tier = session.streams.environment.get("KDUMPKEY_AESXTS")
                with luks.volume(key, tier=tier) as volume:
                    key.close()  # the volume has its own
                    status = os.fstat(fd)
                    total = status.st_size if stat.S_ISREG(status.st_mode) else 0
                    with progress_bar(session.streams, total) as progress:
                        name = "standard input" if source == STDIN else source
                        done = encrypt_from(volume, fd, name, start=start or 0, progress=progress)
                    if luks.device.is_block:  # a file is its filesystem's, as it is for cp
                        luks.device.sync()
                    size = volume.size
    finally:
        if source != STDIN:
            os.close(fd)
    if as_json:
        session.say(json.dumps({"device": device, "from": start or 0, "length": done, "volume_bytes": size}))
    else:
        session.explain(f"{done} bytes were encrypted; the volume has {size}.")


def _reads_standard_input(keys: KeySource) -> bool:
    """Whether the passphrase would come from standard input."""
    elsewhere = keys.volume_key_file is not None or keys.volume_key_keyring is not None
    elsewhere = elsewhere or keys.from_kdump or keys.unlock.tokens.token_only
    return not elsewhere and keys.unlock.passphrase.key_file in (None, STDIN)


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
