"""A scenario: a POSIX shell script in sections, one for each kernel that runs.

``#@first-kernel``, ``#@crash``, ``#@kdump-kernel`` and ``#@reboot`` begin a section; the two that are events
have no commands. Before the first section, ``#@machine <options of kdump boot>`` and
``#@disk <file> <image> <size>`` describe what it runs on. To a shell, all of these are comments.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from kdumpkey.errors import UsageError

FIRST, CRASH, KDUMP, REBOOT = "first-kernel", "crash", "kdump-kernel", "reboot"
_AFTER: Final = {None: FIRST, FIRST: CRASH, CRASH: KDUMP, KDUMP: REBOOT, REBOOT: FIRST}
_EVENTS: Final = (CRASH, REBOOT)
_MIB: Final = 1 << 20
_LARGEST: Final = 1 << 20


@dataclass(frozen=True)
class Disk:
    """A disk that the scenario is given: the file's name, which image it is made from, its size."""

    name: str
    image: str
    size_bytes: int


@dataclass(frozen=True)
class Section:
    """A part of the script; `text` has an empty line for each line of the script above it."""

    kind: str
    text: str


@dataclass(frozen=True)
class Scenario:
    """A parsed script.

    Attributes:
        about: Its first comment.
        machine: Words for ``kdump boot``.
        disks: What it is given.
        sections: In their order.
    """

    about: str
    machine: tuple[str, ...]
    disks: tuple[Disk, ...]
    sections: tuple[Section, ...]


def parse_scenario(text: str) -> Scenario:
    """Parse a script.

    Raises:
        UsageError: An unknown directive, sections out of order, or commands outside of sections.
    """
    if len(text) > _LARGEST:
        raise UsageError("The scenario is too long.")
    machine: list[str] = []
    disks: list[Disk] = []
    sections: list[tuple[str, int, list[str]]] = []
    about = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("#@"):
            _take(line, number, sections)
            if not sections and not about and re.match(r"#\s", line):
                about = line[1:].strip()
            continue
        word, _, rest = line[2:].strip().partition(" ")
        if word == "machine" and not sections:
            machine += _words(rest, number)
        elif word == "disk" and not sections:
            disks.append(_disk(_words(rest, number), number))
        elif word == _AFTER[sections[-1][0] if sections else None]:
            sections.append((word, number, []))
        elif word in _AFTER.values():
            raise UsageError(f"Line {number}: {word} cannot come here.")
        else:
            raise UsageError(f"Line {number}: #@{word} is not known here.")
    if not sections:
        raise UsageError("The scenario has no #@first-kernel.")
    made = tuple(Section(kind, "\n" * start + "\n".join(lines) + "\n") for kind, start, lines in sections)
    return Scenario(about, tuple(machine), tuple(disks), made)


def _take(line: str, number: int, sections: list[tuple[str, int, list[str]]]) -> None:
    idle = not line.strip() or line.startswith("#")
    if sections and sections[-1][0] not in _EVENTS:
        sections[-1][2].append(line)
    elif not idle:
        where = "before the first section" if not sections else f"in {sections[-1][0]}, which is an event"
        raise UsageError(f"Line {number}: there can be no command {where}.")


def _words(text: str, number: int) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"Line {number}: {error}.") from error


def _disk(words: list[str], number: int) -> Disk:
    if len(words) == 3 and re.fullmatch(r"[\w.-]+", words[0]) and words[0] not in (".", ".."):
        size = re.fullmatch(r"(\d{1,6})M", words[2])
        if size:
            return Disk(words[0], words[1], int(size[1]) * _MIB)
    raise UsageError(f"Line {number}: #@disk takes a file's name, an image and a size such as 64M.")
