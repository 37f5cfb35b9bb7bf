"""Losing power within any edit of a header: what opens afterwards, by kdumpkey and by cryptsetup.

Where an action can promise it, every cut leaves a header that both programs open by what opened it before or
by what is to open it; where it cannot, the window is a single write.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from power_cuts import CutDevice, assert_mended, images, opened_by_both, recorded, tally

__all__ = ["images"]
MIB = 1 << 20
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"


@dataclass(frozen=True)
class Edit:
    """An action on a device that ``one`` and ``two`` open, ``two`` read from standard input where asked.

    Attributes:
        line: Its words.
        staying: What opens the device before, after and at every cut.
        either: Of these one opens it at every cut; empty: there is nothing else.
    """

    line: str
    staying: tuple[str, ...] = ("one", "two")
    either: tuple[str, ...] = ()


CONVERT = "luksConvertKey --pbkdf pbkdf2 --pbkdf-force-iterations 1001 -d KEY:one DEV"
CHANGED = (("two",), ("one", "three"))
EDITS = {
    "luksAddKey": Edit("luksAddKey COST -d KEY:one DEV KEY:three"),
    "luksChangeKey": Edit("luksChangeKey COST -d KEY:one DEV KEY:three", *CHANGED),
    "luksChangeKey -S": Edit("luksChangeKey COST -S 0 -d KEY:one DEV KEY:three", *CHANGED),
    "luksConvertKey": Edit(CONVERT),
    "luksKillSlot": Edit("luksKillSlot -q DEV 0", ("two",)),
    "luksRemoveKey": Edit("luksRemoveKey -q DEV KEY:one", ("two",)),
    "luksUUID": Edit(f"luksUUID -q DEV --uuid {UUID}"),
    "config label": Edit("config DEV --label new --subsystem new"),
    "config priority": Edit("config DEV --priority prefer -S 0"),
    "token add": Edit("token add DEV --key-description a:b"),
    "token import": Edit("token import DEV --json-file TOKEN"),
    "token remove": Edit("token remove DEV --token-id 31"),
    "repair": Edit("repair -q DEV"),
}
# LUKS1's keyslot 6 lies in both sectors of its header.
SIXTH = {
    "luksAddKey -S 6": Edit("luksAddKey COST -S 6 -d KEY:one DEV KEY:three", ("one", "two", "last")),
    "luksKillSlot 7": Edit("luksKillSlot -q DEV 7"),
}
OF_LUKS1 = ("luksAddKey", "luksChangeKey", "luksChangeKey -S", "luksKillSlot", "luksRemoveKey", "luksUUID")
CASES = [
    *(("luks2", name) for name in EDITS),
    *(("luks1", name) for name in (*OF_LUKS1, *SIXTH)),
    ("luks2, all keyslots taken", "luksChangeKey"),
]
# A keyslot that is overwritten where it lies opens by nothing from its first sector on, within so many
# writes. LUKS1's keyslot 6 lies in both sectors of its header.
IN_PLACE = [
    ("luks2, no room for an area", "luksChangeKey", 1),
    ("luks2, no room for an area", "luksConvertKey", 1),
    ("luks1, all keyslots taken", "luksChangeKey", 1),
    ("luks1, all keyslots taken", "luksChangeKey, keyslot 6", 2),
]
SEVENTH = {
    "luksChangeKey, keyslot 6": Edit(
        "luksChangeKey COST -d KEY:more4 DEV KEY:three", ("two",), ("more4", "three")
    )
}


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_every_cut_leaves_what_opens_the_device(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, layout: str, name: str
) -> None:
    bench, edit, before = CutDevice(tmp_path, layout), {**EDITS, **SIXTH}[name], images[layout]
    if name == "repair":
        before = before[:300] + b"\xff" + before[301:]
    bench.device.write_bytes(before)
    recorder = recorded(bench, edit.line, b"two", monkeypatch, 128 * 1024)
    counted = tally(f"{layout}: {name}")
    # 32 keyslots fill the JSON area, so that each tear is an image of its own: a third of them will do.
    step = 3 if "all keyslots" in layout else 1
    for what, image in islice(recorder.cuts(before), 0, None, step):
        # Of what is changed, the old passphrase or the new one opens, never neither.
        assert all(opened_by_both(tmp_path / "cut", image, what, edit.staying, edit.either)), what
        if layout.startswith("luks2"):
            assert_mended(tmp_path / "cut", image, what)
        counted.count(True, what)
    assert counted.survived >= 2


@pytest.mark.parametrize(("layout", "name", "writes"), IN_PLACE)
def test_a_keyslot_overwritten_in_place_is_lost_for_no_longer_than_that(
    tmp_path: Path,
    images: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
    name: str,
    writes: int,
) -> None:
    bench, edit, before = CutDevice(tmp_path, layout), {**EDITS, **SEVENTH}[name], images[layout]
    bench.device.write_bytes(before)
    recorder = recorded(bench, edit.line, b"two", monkeypatch)
    counted = tally(f"{layout}: {name}")
    changing = edit.either or ("one",)
    for what, image in recorder.cuts(before):
        stays, opens = opened_by_both(tmp_path / "cut", image, what, ("two",), changing)
        assert stays, what
        counted.count(opens, what)
        if layout.startswith("luks2"):
            assert_mended(tmp_path / "cut", image, what)
    assert counted.survived >= 2
    assert len(counted.writes) == writes


@pytest.mark.parametrize("layout", ["luks2", "luks1"])
def test_a_cut_while_erasing_leaves_all_passphrases_or_none(
    tmp_path: Path, images: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    bench, before = CutDevice(tmp_path, layout), images[layout]
    bench.device.write_bytes(before)
    recorder = recorded(bench, "erase -q DEV", b"", monkeypatch, MIB)
    passphrases = ("one", "two", "last") if layout == "luks1" else ("one", "two")
    counted, seen = tally(f"{layout}: erase, all passphrases or none"), []
    for what, image in recorder.cuts(before):
        opened = set(opened_by_both(tmp_path / "cut", image, what, passphrases))
        assert len(opened) == 1, what
        seen += opened
        if layout == "luks2":
            assert_mended(tmp_path / "cut", image, what)
        counted.count(True, what)
    assert (seen[0], seen[-1]) == (True, False)
