"""Two judges of a header: kdumpkey and a cryptsetup, each run whole; and what both must agree on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from both import raw
from fuzz.images import HeaderImage


@dataclass(frozen=True)
class Judgement:
    """The exit code of luksDump, and the dumps of what was read; or why it was refused."""

    code: int
    text: bytes = b""
    json: bytes = b""
    why: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the header was taken."""
        return self.code == 0


def write(image: HeaderImage, path: Path) -> None:
    """Make the sparse file."""
    with path.open("wb") as file:
        file.truncate(image.size)
        for offset, chunk in image.chunks:
            if offset < image.size:
                os.pwrite(file.fileno(), chunk[: image.size - offset], offset)


def kdumpkey(path: Path) -> Judgement:
    """Let the whole program dump the header; whatever it does not catch fails the test."""
    return _verdict(path, lambda words: raw(["luksDump", *words]))


def cryptsetup(path: Path, program: str | Path = "cryptsetup") -> Judgement:
    """Let cryptsetup dump the header; without locks it rewrites no copy, and judges as it does with them."""

    def dump(words: Sequence[str | Path]) -> tuple[int, bytes, bytes]:
        done = subprocess.run([program, "luksDump", *words], capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return _verdict(path, dump)


def _verdict(path: Path, dump: Callable[[Sequence[str | Path]], tuple[int, bytes, bytes]]) -> Judgement:
    code, text, said = dump(["--disable-locks", path])
    if code:
        return Judgement(code, why=said.decode(errors="replace").strip())
    if b"Payload offset" in text:
        return Judgement(code, text)
    again, shown, _ = dump(["--disable-locks", path, "--dump-json-metadata"])
    return Judgement(again, text, shown)


def newer(path: Path, program: Path) -> Judgement:
    """As `cryptsetup`, of a newer release, without what it shows in other words than 2.6.1."""
    said = cryptsetup(path, program)
    # It has a line for segments without encryption, and its json-c writes empty containers in another way.
    return replace(said, text=said.text.replace(b"\tcipher: (no SW encryption)\n", b""), json=b"")


def disagreement(image: HeaderImage, path: Path, program: Path | None = None) -> str:
    """What the judges say of an image if they may not both say it, else nothing.

    Where a JSON area is no RFC 8259 text, names a member twice or nests too deep, kdumpkey refuses it, and
    only there may cryptsetup say something else.

    Args:
        image: The image.
        path: Where to make it.
        program: A newer cryptsetup, to ask that and not the system's.
    """
    write(image, path)
    ours = kdumpkey(path)
    if program is None:
        theirs = cryptsetup(path)
    else:
        theirs, ours = newer(path, program), replace(ours, json=b"")
    strict = [is_strict(text) for text in image.texts]
    if image.texts and not any(strict):
        agreed = not ours.accepted
    else:
        agreed = replace(ours, why="") == replace(theirs, why="")
    # Where one copy is outside of the class, kdumpkey uses the other, and cryptsetup maybe not.
    if agreed or (any(strict) and not all(strict)):
        return ""
    return f"{_difference(ours, theirs)}\n{image.texts[:1]}"


def _difference(ours: Judgement, theirs: Judgement) -> str:
    if ours.code != theirs.code:
        return f"kdumpkey: {ours}\ncryptsetup: {theirs}"
    lines = zip_longest((ours.text + ours.json).splitlines(), (theirs.text + theirs.json).splitlines())
    return next(f"kdumpkey: {one!r}\ncryptsetup: {other!r}" for one, other in lines if one != other)


def is_strict(text: bytes) -> bool:
    """Whether a JSON area is in the class in which both judges must agree."""
    try:
        value = json.loads(
            text.rstrip(b"\0").decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_int=float
        )
    except (ValueError, RecursionError):
        return False
    return _depth(value) <= 32


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two names are the same where json-c has the same for both: to the first NUL, no half characters.
    names = [name.partition("\0")[0].encode("utf-16", "surrogatepass") for name, _ in pairs]
    if len({name.decode("utf-16", "replace") for name in names}) != len(names):
        raise ValueError("duplicate name")
    return dict(pairs)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 1
