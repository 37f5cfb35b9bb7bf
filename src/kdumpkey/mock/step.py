"""Runs one command of a scenario and records what it took; it is run as a program, and imports little.

python -I -S step.py LOG NAME COMMAND...

Its caller ignores SIGINT: Ctrl-C is for the command, and this records how that ended.
"""

import json
import os
import signal
import sys
import time


def main() -> int:
    """Run it; its exit code, or 128 + the signal that ended it."""
    log, name, *command = sys.argv[1:]
    shown = " ".join([name, *command[int(os.environ.get("KDUMPKEY_STEP_WORDS", "0")) :]])
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(command[0], command)  # noqa: S606 (it came as words, and stays so)
        finally:
            os._exit(127)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    line = {
        "command": shown,
        "exit_code": code if code >= 0 else 128 - code,
        "seconds": time.monotonic() - began,
        "peak_kib": used.ru_maxrss,
    }
    try:
        fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # an interrupt ended the scenario, and its folder is gone
        return code if code >= 0 else 128 - code
    os.write(fd, (json.dumps(line) + "\n").encode())
    os.close(fd)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
