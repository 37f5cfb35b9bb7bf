"""Actions that change a header do to a mutated one what cryptsetup does, and leave one that it takes.

All 500 mutated headers: KDUMPKEY_EDIT_COUNT=500; other seeds: KDUMPKEY_EDIT_SEED=1000.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import examples
from fuzz.edits import EDITS, Bench, Edited, last_line, mutated_header
from fuzz.judges import is_strict
from kdumpkey.crypto.kdf import Pbkdf2
from kdumpkey.errors import HeaderError
from kdumpkey.luks import read_header
from kdumpkey.luks.model import Luks2Header
from kdumpkey.storage.device import open_readonly
from tools import require_tool

COUNT = examples("KDUMPKEY_EDIT_COUNT", 4, 16)
SEED = int(os.environ.get("KDUMPKEY_EDIT_SEED", "0"))
_MOST_ITERATIONS = 1_000_000  # of a digest: cryptsetup would compute for minutes
_REENCRYPTION = "online-reencrypt"


@pytest.fixture
def bench() -> Iterator[Bench]:
    require_tool("cryptsetup")
    shm = Path("/dev/shm")  # noqa: S108 - every edit is of a copy of a device
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as name:
        yield Bench(Path(name))


def _headers(bench: Bench) -> Iterator[tuple[int, Luks2Header]]:
    """The first mutated headers from the seed on that kdumpkey takes, each on the bench's device."""
    seed, found = SEED, 0
    while found < COUNT:
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
        return not (usable and known and named)
    if action == "repair":
        return any(name.startswith(_REENCRYPTION) for name in header.requirements)
    if action in ("erase", "luksKillSlot"):
        return mine.result.code == 0 and _is_hard_to_erase(header)
    return action == "convert" and mine.result.code == 1 and _is_cut_in_luks1(header)


def _is_hard_to_erase(header: Luks2Header) -> bool:
    """Whether keyslots go here alone: in mid-reencryption, of unknown types, and where named twice."""
    named = (each.keyslots for group in (header.digests, header.tokens) for each in group.values())
    return (
        any(name.startswith(_REENCRYPTION) for name in header.requirements)
        or any(slot.type not in ("luks2", "reencrypt") for slot in header.keyslots.values())
        or any(len(set(numbers)) < len(numbers) for numbers in named)
    )


def _is_cut_in_luks1(header: Luks2Header) -> bool:
    """Whether LUKS1 has too few bits for an iteration count, or another length for a salt."""
    kdfs = [slot.kdf for slot in header.keyslots.values() if isinstance(slot.kdf, Pbkdf2)]
    counts = [each.iterations for each in (*kdfs, *header.digests.values())]
    salts = [each.salt for each in (*kdfs, *header.digests.values())]
    return any(not 0 <= count < 1 << 32 for count in counts) or any(len(salt or b"") != 32 for salt in salts)


def test_both_edit_the_same_headers_and_cryptsetup_takes_what_kdumpkey_leaves(bench: Bench) -> None:
    found = []
    for seed, header in _headers(bench):
        costly = any(not 0 <= digest.iterations < _MOST_ITERATIONS for digest in header.digests.values())
        for edit in EDITS:
            if costly and edit.startswith("luksAddKey"):
                continue
            mine, theirs = bench.edited(edit, None), bench.edited(edit, "cryptsetup")
            said = f"seed {seed}: {edit}: {last_line(mine.result)!r}, {last_line(theirs.result)!r}"
            if not mine.accepted and theirs.accepted:
                found.append(f"{said}: cryptsetup refuses what kdumpkey left")
            if (mine.result.code == 0) != (theirs.result.code == 0) and not _is_documented(
                edit, header, mine
            ):
                found.append(f"{said}: exit codes {mine.result.code} and {theirs.result.code}")
    assert not found, "\n".join(found)
