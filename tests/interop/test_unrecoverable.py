"""The key of a keyslot that is gone cannot be had from the image, even with a copy of the old header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from both import ours
from kdumpkey.luks.device import open_luks
from power_cuts import LUKS1, LUKS2, CutDevice, opens_by_ours, opens_by_theirs

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
SECTOR = 512
KEY_BYTES = 32
HEADERS = {"luks1": 1024, "luks2": 32768}
KINDS = {"luks1": LUKS1, "luks2": LUKS2}


@dataclass(frozen=True)
class Removal:
    """What takes the keyslots `gone` away: lines in which OTHER is the other type of header."""

    lines: tuple[str, ...]
    gone: tuple[int, ...] = (0,)
    kinds: tuple[str, ...] = ("luks1", "luks2")


CHEAP2 = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
REMOVALS = {
    "luksKillSlot": Removal(("luksKillSlot -q DEV 0",)),
    "luksKillSlot, a later one": Removal(("luksKillSlot -q DEV 5",), gone=(5,)),
    "luksRemoveKey": Removal(("luksRemoveKey -q DEV KEY:one",)),
    "luksChangeKey": Removal((f"luksChangeKey -q {CHEAP2} -d KEY:one DEV KEY:new",)),
    "luksChangeKey -S": Removal((f"luksChangeKey -q {CHEAP2} -S 0 -d KEY:one DEV KEY:new",)),
    "luksConvertKey": Removal((f"luksConvertKey -q {CHEAP2} -S 0 -d KEY:one DEV",), kinds=("luks2",)),
    "erase": Removal(("erase -q DEV",), gone=(0, 1, 5)),
    "luksFormat as luks1": Removal((f"luksFormat -q {LUKS1} DEV KEY:new",), gone=(0, 1, 5)),
    "luksFormat as luks2": Removal((f"luksFormat -q {LUKS2} DEV KEY:new",), gone=(0, 1, 5)),
    # Its areas end before the old ones do.
    "luksFormat with less room": Removal(
        (f"luksFormat -q {LUKS2.replace('4096', '1024', 1)} --luks2-keyslots-size 262144 DEV KEY:new",),
        gone=(0, 1, 5),
    ),
    "convert and luksKillSlot": Removal(("convert -q DEV --type OTHER", "luksKillSlot -q DEV 0")),
}
CASES = [(name, kind) for name, removal in REMOVALS.items() for kind in removal.kinds]


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """With ``one`` in the keyslots 0 and 5, and ``two`` in keyslot 1."""
    made = {}
    for kind, options in KINDS.items():
        bench = CutDevice(tmp_path_factory.mktemp("devices"), kind)
        bench.device.write_bytes(bytes(3 * MIB))
        bench.theirs(f"luksFormat -q {options} DEV KEY:one")
        bench.theirs("luksAddKey -q COST -d KEY:one DEV KEY:two")
        for slot in (3, 5):
            bench.theirs(f"luksAddKey -q COST -d KEY:one -S {slot} DEV KEY:one")
        bench.theirs("luksKillSlot -q DEV 3")
        made[kind] = bench.device.read_bytes()
    return made


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_no_sector_of_its_stripes_is_left_and_the_old_header_opens_it_no_more(
    tmp_path: Path, devices: dict[str, bytes], name: str, kind: str
) -> None:
    bench, removal, before = CutDevice(tmp_path, kind), REMOVALS[name], devices[kind]
    bench.device.write_bytes(before)
    with open_luks(bench.device) as luks:
        areas = {number: slot.area for number, slot in luks.header.keyslots.items()}
    assert sorted(areas) == [0, 1, 5]
    for line in removal.lines:
        words = bench.words(line.replace("OTHER", "luks1" if kind == "luks2" else "luks2"))
        done = ours(words, b"")
        assert done.code == 0, done
    after = bench.device.read_bytes()
    sectors = {after[at : at + SECTOR] for at in range(0, len(after), SECTOR)}
    for number in removal.gone:
        start = areas[number].offset
        stripes = range(start, start + KEY_BYTES * 4000, SECTOR)
        assert not [at for at in stripes if before[at : at + SECTOR] in sectors], number
    # Who kept a copy of the old header has all that opens the keyslot but for its stripes.
    with_old = bytearray(after)
    with_old[: HEADERS[kind]] = before[: HEADERS[kind]]
    for number in removal.gone:
        passphrase = "two" if number == 1 else "one"
        for opens in (opens_by_ours, opens_by_theirs):
            bench.device.write_bytes(with_old)
            line = f"open --test-passphrase DEV -S {number} -d KEY:{passphrase}"
            assert ours(bench.words(line)).code == 2, number
            if len(removal.gone) > 1:
                assert not opens(bench.device, passphrase), number


@pytest.mark.parametrize("kind", KINDS)
def test_the_old_header_does_open_it_while_the_stripes_are_there(
    tmp_path: Path, devices: dict[str, bytes], kind: str
) -> None:
    device = tmp_path / "device"
    device.write_bytes(bytes(HEADERS[kind]) + devices[kind][HEADERS[kind] :])
    assert not opens_by_theirs(device, "one")
    device.write_bytes(devices[kind])
    assert opens_by_theirs(device, "one")
