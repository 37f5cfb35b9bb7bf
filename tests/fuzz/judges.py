"""Two judges of a header: kdumpkey and the system's cryptsetup; and what both must agree on."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from fuzz.images import Image
from kdumpkey.cli.dump_text import header_text
from kdumpkey.cli.streams import encode
from kdumpkey.errors import DeviceError, HeaderError
from kdumpkey.luks import read_header
from kdumpkey.luks.model import Luks2Header
from kdumpkey.luks.strict_json import pretty
from kdumpkey.storage.device import open_readonly


@dataclass(frozen=True)
class Verdict:
    """Accepted, and the dumps of what was read; or refused, and why."""

    accepted: bool
    text: bytes = b""
    json: bytes = b""
    why: str = ""


def write(image: Image, path: Path) -> None:
    """Make the sparse file."""
    with path.open("wb") as file:
        file.truncate(image.size)
        for offset, chunk in image.chunks:
            if offset < image.size:
                os.pwrite(file.fileno(), chunk[: image.size - offset], offset)


def kdumpkey(path: Path) -> Verdict:
    """Read and dump the header; any error but those of a header fails the test."""
    try:
        with open_readonly(path) as device:
            header = read_header(device)
    except HeaderError as error:
        return Verdict(False, why=str(error))
    except DeviceError as error:
        raise AssertionError(f"a bad header was taken for a bad device: {error}") from error
    text = encode(header_text(header, str(path)))
    return Verdict(True, text, encode(pretty(header.json)) if isinstance(header, Luks2Header) else b"")


def cryptsetup(path: Path, program: str | Path = "cryptsetup") -> Verdict:
    """Let cryptsetup dump the header; without locks it rewrites no copy, and judges as it does with them."""
    command = [program, "luksDump", "--disable-locks", path]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        return Verdict(False, why=f"{done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    if b"Payload offset" in done.stdout:
        return Verdict(True, done.stdout)
    dumped = subprocess.run([*command, "--dump-json-metadata"], capture_output=True, check=True)
    return Verdict(True, done.stdout, dumped.stdout)


def newer(path: Path, program: Path) -> Verdict:
    """As `cryptsetup`, of a newer release, without what it shows in other words than 2.6.1."""
    said = cryptsetup(path, program)
    # It has a line for segments without encryption, and its json-c writes empty containers in another way.
    return replace(said, text=said.text.replace(b"\tcipher: (no SW encryption)\n", b""), json=b"")


def disagreement(image: Image, path: Path, program: Path | None = None) -> str:
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


def _difference(ours: Verdict, theirs: Verdict) -> str:
    if ours.accepted != theirs.accepted:
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
