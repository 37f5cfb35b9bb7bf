"""unlock --to: the plaintext, to a file or standard output."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kdumpkey.cli.progress import progress_bar
from kdumpkey.errors import UsageError
from kdumpkey.storage.extent import share_bytes
from kdumpkey.volume.decrypt import decrypt_to_file, decrypt_to_stream, part_of

if TYPE_CHECKING:
    from kdumpkey.cli.output import Output
    from kdumpkey.cli.session import Session
    from kdumpkey.luks.device import LuksDevice
    from kdumpkey.volume.volume import Volume


def decrypt(session: Session, luks: LuksDevice, volume: Volume, wanted: Output) -> dict[str, object]:
    """Decrypt a volume to where the options say.

    Args:
        session: The run.
        luks: The open device.
        volume: Its plaintext.
        wanted: Where it goes; --to was given.

    Returns:
        What --json shows: the name, and the part that was decrypted, in bytes.

    Raises:
        UsageError: Standard output is a terminal, or what is being decrypted.
        KdumpkeyError: As `volume.decrypt`.
    """
    output = wanted.to or "-"
    part = part_of(
        volume,
        wanted.start or 0,
        wanted.length,
        cut_short=bool(luks.missing_end()),
        to_the_cut=wanted.force,
    )
    sources = (luks.device.fileno(), luks.header_device.fileno())
    with progress_bar(session.streams, len(part)) as progress:
        if output == "-":
            if os.isatty(session.streams.stdout):
                raise UsageError("The plaintext will not be written to a terminal: redirect standard output.")
            if any(share_bytes(session.streams.stdout, each) for each in sources):
                raise UsageError("Standard output is what is being decrypted: send the plaintext elsewhere.")
            decrypt_to_stream(volume, session.streams.stdout, part, progress=progress)
        else:
            decrypt_to_file(
                volume,
                output,
                part,
                sparse=wanted.sparse,
                replace=wanted.force,
                apart_from=sources,
                progress=progress,
            )
    return {"to": output, "from": part.start, "length": len(part)}
