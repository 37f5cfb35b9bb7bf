"""The console script: a process of its own, started quickly, hardened for keys, and ended quickly."""

from __future__ import annotations

import gc
import os
import sys

# Imports make tens of thousands of objects that stay; at the default of 700, looking through them for garbage
# again and again takes a tenth of a short run.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def entry_point() -> None:
    """Run `main` with this process's own words and streams, and exit with its code."""
    _occupy_closed_streams()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    from kdumpkey.cli.main import main  # noqa: PLC0415 - after the line above
    from kdumpkey.cli.streams import Streams  # noqa: PLC0415
    from kdumpkey.errors import PermissionDeniedError  # noqa: PLC0415
    from kdumpkey.hardening import harden_process  # noqa: PLC0415

    streams = Streams()
    try:
        harden_process()
    except PermissionDeniedError as error:
        streams.complain(f"kdumpkey: {error}")
    code = main(sys.argv[1:], streams)
    gc.freeze()  # secrets are wiped by now: what is left needs no last search for cycles
    raise SystemExit(code)


def _occupy_closed_streams() -> None:
    """Keep the numbers of standard streams that are closed from the files to be opened.

    Otherwise a device would be opened as one of them, and a message be written over its header. A directory
    can be neither read nor written, so that using the stream fails as it should.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the lowest number that is free: fd
