"""Actions that change a header do to a mutated one what cryptsetup does, and leave one that it takes.

All 500 mutated headers: KDUMPKEY_EDIT_COUNT=500 KDUMPKEY_EDIT_NEWER_SHARE=1; other seeds:
KDUMPKEY_EDIT_SEED=1000.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import examples
from fuzz.edits import EDITS, Edited, EditFolder, last_line, mutated_header
from fuzz.judges import is_strict
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import HeaderError
from kdumpkey.luks import read_header
from kdumpkey.luks.header_changes import MAX_KEYSLOTS, section
from kdumpkey.luks.model import Luks2Header, UnknownKdf
from kdumpkey.storage.device import open_readonly
from tools import require_tool

COUNT = examples("KDUMPKEY_EDIT_COUNT", 4, 16)
NEWER_SHARE = int(os.environ.get("KDUMPKEY_EDIT_NEWER_SHARE", "4"))  # one in so many for the newer one
SEED = int(os.environ.get("KDUMPKEY_EDIT_SEED", "0"))
_MOST_ITERATIONS = 1_000_000  # of a digest: cryptsetup would compute for minutes
_REENCRYPTION = "online-reencrypt"


@pytest.fixture
def bench() -> Iterator[EditFolder]:
    require_tool("cryptsetup")
    shm = Path("/dev/shm")  # noqa: S108 - every edit is of a copy of a device
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as name:
        yield EditFolder(Path(name))


def _headers(bench: EditFolder, count: int) -> Iterator[tuple[int, Luks2Header]]:
    """The first mutated headers from the seed on that kdumpkey takes, each on the bench's device."""
    seed, found = SEED, 0
    while found < count:
        image = mutated_header(seed)
        with open_readonly(bench.put(image)) as device:
            try:
                header = read_header(device)
            except HeaderError:
                header = None
        if isinstance(header, Luks2Header) and is_strict(image.texts[0]):
            found += 1
            yield seed, header
        seed += 1


def _is_documented(edit: str, header: Luks2Header, mine: Edited) -> bool:
    """Whether docs/differences.md says that the two may come to something else here."""
    action = edit.partition(" ")[0]
    digests = header.digests.values()
    if action == "luksAddKey":
        # "At use": a digest that every key fits, or none; and the key of an unbound keyslot.
        usable = all(len(each.salt or b"") == 32 and 20 <= len(each.digest or b"") <= 64 for each in digests)
        known = all(each.type == "pbkdf2" and each.hash == "sha256" for each in digests)
        named = all(0 < slot.key_size <= 512 for slot in header.keyslots.values())
        # cryptsetup takes the area of a keyslot beyond its last number for free.
        beyond = mine.result.code == 0 and any(number >= MAX_KEYSLOTS for number in header.keyslots)
        return beyond or not (usable and known and named)
    if action == "repair":
        return any(name.startswith(_REENCRYPTION) for name in header.requirements)
    if action in ("erase", "luksKillSlot"):
        return mine.result.code == 0 and _is_hard_to_erase(header)
    if action == "convert" and mine.result.code == 0:
        return 0 not in header.digests
    return action == "convert" and (_is_cut_in_luks1(header) or _has_no_luks1_words(header))


def _is_hard_to_erase(header: Luks2Header) -> bool:
    """Whether keyslots go here alone.

    They do in mid-reencryption, where a type is unknown, a digest has no number, or one names a keyslot
    twice.
    """
    named = (each.keyslots for group in (header.digests, header.tokens) for each in group.values())
    return (
        any(name.startswith(_REENCRYPTION) for name in header.requirements)
        or any(slot.type not in ("luks2", "reencrypt") for slot in header.keyslots.values())
        or any(len(set(numbers)) < len(numbers) for numbers in named)
        or len(header.digests) < len(section(header.json, "digests"))
    )


def _is_cut_in_luks1(header: Luks2Header) -> bool:
    """Whether LUKS1 has too few bits for an iteration count, or another length for a salt, if that is one."""
    kdfs = [slot.kdf for slot in header.keyslots.values() if isinstance(slot.kdf, Pbkdf2 | UnknownKdf)]
    counts = [each.iterations for each in (*kdfs, *header.digests.values())]
    salts = [each.salt for each in (*kdfs, *header.digests.values())]
    return any(not 0 <= count < 1 << 32 for count in counts) or any(len(salt or b"") != 32 for salt in salts)


def _has_no_luks1_words(header: Luks2Header) -> bool:
    """Whether the data are encrypted as LUKS1 cannot say it, which cryptsetup leaves out."""
    return any(
        each.type != "crypt"
        or each.iv_tweak
        or each.size is not None
        or each.flags
        or each.integrity is not None
        for each in header.segments.values()
    )


def test_both_edit_the_same_headers_and_cryptsetup_takes_what_kdumpkey_leaves(bench: EditFolder) -> None:
    found = _compared(bench, COUNT, "cryptsetup")
    assert not found, "\n".join(found)


def test_a_newer_cryptsetup_edits_the_same_headers_too(bench: EditFolder, newer_cryptsetup: Path) -> None:
    found = _compared(bench, max(1, COUNT // NEWER_SHARE), newer_cryptsetup)
    assert not found, "\n".join(found)


def _compared(bench: EditFolder, count: int, program: str | Path) -> list[str]:
    """What the two do not agree on over that many headers."""
    found = []
    for seed, header in _headers(bench, count):
        costly = any(not 0 <= digest.iterations < _MOST_ITERATIONS for digest in header.digests.values())
        for edit in EDITS:
            if costly and edit.startswith("luksAddKey"):
                continue
            mine, theirs = bench.edited(edit, None, program), bench.edited(edit, program, program)
            said = f"seed {seed}: {edit}: {last_line(mine.result)!r}, {last_line(theirs.result)!r}"
            if not mine.accepted and theirs.accepted:
                found.append(f"{said}: cryptsetup refuses what kdumpkey left")
            if (mine.result.code == 0) != (theirs.result.code == 0) and not _is_documented(
                edit, header, mine
            ):
                found.append(f"{said}: exit codes {mine.result.code} and {theirs.result.code}")
    return found
