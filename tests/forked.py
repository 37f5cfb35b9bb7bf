"""Assertions in a forked child, for what would change the test process itself: its user, its keyrings."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

from tools import HANGS_AFTER_S


def in_child(body: Callable[[], None], hangs_after_s: int = HANGS_AFTER_S) -> None:
    """Run `body` in a forked child; its failure is a failure here, with the child's traceback.

    A child that hangs is killed by SIGALRM, even in the middle of C code.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(hangs_after_s)
            body()
            status = 0
        except BaseException:  # noqa: BLE001 (a failed assertion is one; it is told to the parent)
            os.write(writing, traceback.format_exc().encode()[:60_000])
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as report:
        text = report.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the child ended with {status}\n{text}"
