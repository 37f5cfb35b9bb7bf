"""Ctrl-C while C code computes for seconds."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kdumpkey._native import pbkdf2
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import CancelledError

if TYPE_CHECKING:
    from kdumpkey.luks.model import LuksHeader


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process while C code computes for seconds; nothing is half done by then."""
    at_terminal = threading.current_thread() is threading.main_thread()
    if not at_terminal or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def cancellable(header: LuksHeader) -> Iterator[None]:
    """Have Ctrl-C cancel the derivation of a key: what it used is wiped, and the program says so.

    OpenSSL, which derives keys with the rarer hashes, cannot be cancelled: Ctrl-C ends the process then.

    Args:
        header: The header whose keyslots are tried.

    Raises:
        CancelledError: Ctrl-C was pressed.
    """
    if not _pbkdf2_hashes(header) <= set(pbkdf2.hashes()):
        with interruptible():
            yield
        return
    try:
        yield
    except KeyboardInterrupt as error:
        raise CancelledError("Interrupted.") from error


def _pbkdf2_hashes(header: LuksHeader) -> set[str]:
    """The hashes that PBKDF2 runs with, in keyslots and digests."""
    keyslots = (slot.kdf.hash for slot in header.keyslots.values() if isinstance(slot.kdf, Pbkdf2))
    return {name.lower() for name in (*keyslots, *(digest.hash for digest in header.digests.values()))}
