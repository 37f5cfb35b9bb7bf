"""One command line run twice: through kdumpkey's `main`, and by cryptsetup."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdumpkey.cli.main import main
from kdumpkey.streams import Streams
from tools import HANGS_AFTER_S

NO_TERMINAL = "/nonexistent/terminal"
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.environ["PATH"]}


UNMET = "Unmet LUKS2 requirements detected."  # after which kdumpkey says which, and what to do


@dataclass(frozen=True)
class Result:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def verdict(self) -> tuple[int, str]:
        """The code and the last line said, where the lines before (a usage text) are each program's own."""
        lines = self.err.splitlines() or [""]
        last = UNMET if UNMET in lines else lines[-1]
        return self.code, re.sub(r"^\S*cryptsetup: ", "kdumpkey: ", last)


def ours(
    words: Sequence[str | Path], stdin: bytes = b"", environment: Mapping[str, str] = ENVIRONMENT
) -> Result:
    """Through `main`, in this process; standard input is a file."""
    code, *texts = raw(words, stdin, environment)
    return Result(code, *(text.decode("utf-8", "replace") for text in texts))


def raw(
    words: Sequence[str | Path], stdin: bytes = b"", environment: Mapping[str, str] = ENVIRONMENT
) -> tuple[int, bytes, bytes]:
    """As `ours`: the exit code, and the bytes of standard output and error."""
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as given,
    ):
        given.write(stdin)
        given.seek(0)
        streams = Streams(given.fileno(), out.fileno(), err.fileno(), NO_TERMINAL, environment)
        code = main([os.fspath(word) for word in words], streams)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def run(command: Sequence[str | Path], stdin: bytes = b"") -> Result:
    """A program, with the same environment and no terminal."""
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        start_new_session=True,
        timeout=HANGS_AFTER_S,
    )
    return Result(done.returncode, *(text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)))
