"""Looking for secrets in another process's memory, from outside."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tools import unavailable

_CHUNK = 4 << 20
_PIECE = 16  # a secret counts as found when any aligned piece of this length is

# The child: runs a part of the program at each line that it is given, says when it has, and waits.
_LOOP = """
import sys
for line in sys.stdin:
    try:
        parts[line.strip()]()
    except Exception as error:
        print(type(error).__name__, flush=True)
    else:
        print("done", flush=True)
"""


def pieces(secret: bytes) -> list[bytes]:
    """What is searched for: the aligned pieces of a secret, or all of a short one."""
    return [secret[at : at + _PIECE] for at in range(0, len(secret) - _PIECE + 1, _PIECE)] or [secret]


def found(pid: int, secrets: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The secrets that are in a stopped process's memory, with the mappings they are in."""
    where: dict[str, list[str]] = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in _mappings(pid):
            for chunk in _chunks(memory, start, end):
                for label, secret in secrets.items():
                    if any(piece in chunk for piece in pieces(secret)):
                        where.setdefault(label, []).append(name)
    return where


def _mappings(pid: int) -> list[tuple[int, int, str]]:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    result = []
    for line in lines:
        fields = line.split(maxsplit=5)
        name = fields[5] if len(fields) == 6 else "anonymous"
        if fields[1].startswith("rw"):  # what cannot be written holds what its file holds
            start, end = (int(text, 16) for text in fields[0].split("-"))
            result.append((start, end, name))
    return result


def _chunks(memory: io.FileIO, start: int, end: int) -> Iterator[bytes]:
    at = start
    while at < end:
        memory.seek(at)
        try:
            chunk = memory.read(min(_CHUNK + _PIECE, end - at))
        except OSError:  # a mapping whose pages nobody can read, such as a guard page
            return
        yield chunk
        at += _CHUNK


class Child:
    """A child process that runs parts of a program when told to."""

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program + _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            open(f"/proc/{self._process.pid}/mem", "rb").close()
        except PermissionError:
            self._process.kill()
            unavailable("this user may not read the memory of a child")

    def run(self, part: str) -> str:
        """Have it run a part; ``done``, or the name of the exception that it raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{part}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def holds(self, secrets: Mapping[str, bytes]) -> dict[str, list[str]]:
        """The secrets that are in its memory now; it waits for its next line meanwhile."""
        return found(self._process.pid, secrets)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def child(program: str) -> Iterator[Child]:
    """A child with a program that defines `parts`, a mapping from names to functions."""
    with Child(program) as made:
        yield made
