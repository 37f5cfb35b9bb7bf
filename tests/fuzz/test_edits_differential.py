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
        usable = all(each.salt and each.digest and 20 <= len(each.digest) <= 64 for each in digests)
        known = all(each.type == "pbkdf2" and each.hash == "sha256" for each in digests)
        named = all(0 < slot.key_size <= 512 for slot in header.keyslots.values())
        return not (usable and known and named) or "--unbound" in edit or len(digests) > 1
    if action == "repair":
        return any(name.startswith(_REENCRYPTION) for name in header.requirements)
    if action in ("erase", "luksKillSlot"):
        # They always work here: in mid-reencryption, for unknown types and for keyslots named twice, too.
        return mine.result.code == 0
    # What LUKS1 cannot hold is cut there.
    return action == "convert" and mine.result.code == 1


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
