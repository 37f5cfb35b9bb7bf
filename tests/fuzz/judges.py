"""Two judges of a header: kdumpkey and the system's cryptsetup; and what both must agree on."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.images import Image
from kdumpkey.errors import DeviceError, HeaderError
from kdumpkey.luks import read_header
from kdumpkey.luks.model import Luks2Header
from kdumpkey.storage.device import open_readonly


@dataclass(frozen=True)
class Verdict:
    """Accepted, and what was read from the copy that was used; or refused, and why."""

    accepted: bool
    read: tuple[int, ...] = ()
    why: str = ""


def write(image: Image, path: Path) -> None:
    """Make the sparse file."""
    with path.open("wb") as file:
        file.truncate(image.size)
        for offset, chunk in image.chunks:
            if offset < image.size:
                os.pwrite(file.fileno(), chunk[: image.size - offset], offset)


def kdumpkey(path: Path) -> Verdict:
    """Read the header; any error but those of a header fails the test."""
    try:
        with open_readonly(path) as device:
            header = read_header(device)
    except HeaderError as error:
        return Verdict(False, why=str(error))
    except DeviceError as error:
        raise AssertionError(f"a bad header was taken for a bad device: {error}") from error
    if isinstance(header, Luks2Header):
        return Verdict(True, (header.seqid, header.metadata_size, header.config.keyslots_size))
    return Verdict(True)


def cryptsetup(path: Path) -> Verdict:
    """Let cryptsetup dump the header; without locks it rewrites no copy, and judges as it does with them."""
    command = ["cryptsetup", "luksDump", "--disable-locks", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        return Verdict(False, why=f"{done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    if "Payload offset" in output:
        return Verdict(True)
    numbers = (output.split(label)[1].split()[0] for label in ("Epoch:", "Metadata area:", "Keyslots area:"))
    return Verdict(True, tuple(int(number) for number in numbers))


def disagreement(image: Image, path: Path) -> str:
    """What the judges say of an image if they may not both say it, else nothing.

    Where a JSON area is no RFC 8259 text, names a member twice or nests too deep, kdumpkey refuses it, and
    only there may cryptsetup say something else.
    """
    write(image, path)
    ours, theirs = kdumpkey(path), cryptsetup(path)
    strict = [is_strict(text) for text in image.texts]
    if image.texts and not any(strict):
        agreed = not ours.accepted
    else:
        agreed = ours.accepted == theirs.accepted and ours.read == theirs.read
    # Where one copy is outside of the class, kdumpkey uses the other, and cryptsetup maybe not.
    if agreed or (any(strict) and not all(strict)):
        return ""
    return f"kdumpkey: {ours}\ncryptsetup: {theirs}\n{image.texts[:1]}"


def is_strict(text: bytes) -> bool:
    """Whether a JSON area is in the class in which both judges must agree."""
    try:
        value = json.loads(text.rstrip(b"\0").decode(), object_pairs_hook=_unique, parse_constant=_refuse)
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
