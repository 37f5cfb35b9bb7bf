"""area_moves: whatever keyslots are in use, the header opens after every write and every torn one."""

from __future__ import annotations

import pytest

from kdumpkey.errors import HeaderError
from kdumpkey.luks import layout, luks1
from kdumpkey.luks.area_moves import between, moved, moves
from kdumpkey.luks.layout import SECTOR
from kdumpkey.luks.model import Luks1Header, Luks1Slot

DISTANCE = 28672
PLACE = 32768  # of the area of a key of 8 bytes, which has 32,256 in whole sectors
AREA = 32256
START = 4096
SPACE = START + 8 * PLACE + DISTANCE
FIRST_SECTOR, SECOND_SECTOR = frozenset(range(6)), frozenset({6, 7})


def header_with(active: frozenset[int], start: int) -> Luks1Header:
    slots = tuple(
        Luks1Slot(number in active, 1000, bytes([number]) * 32, (start + number * PLACE) // SECTOR, 4000)
        for number in range(8)
    )
    return luks1.build(
        uuid="3f6b2a1e-8b8d-4b3e-9c1e-0a1b2c3d4e5f",
        cipher_name="aes",
        cipher_mode="cbc-plain64",
        hash_spec="sha256",
        payload_offset=SPACE // SECTOR,
        key_size=8,
        mk_digest=bytes(20),
        mk_digest_salt=bytes(32),
        mk_digest_iterations=1000,
        slots=slots,
    )


def content_of(number: int) -> bytes:
    return bytes([0x80 + number]) * AREA


def on_a_device(header: Luks1Header) -> bytearray:
    device = bytearray(SPACE)
    device[:592] = luks1.serialise(header)
    for number in header.keyslots:
        at = header.slots[number].key_material_offset * SECTOR
        device[at : at + AREA] = content_of(number)
    return device


def intact(device: bytearray) -> set[int]:
    """The keyslots that open: none where the header is not valid."""
    try:
        header = luks1.parse(bytes(device[: layout.LUKS1_HEADER_SIZE]))
    except HeaderError:
        return set()
    return {
        number
        for number, slot in header.keyslots.items()
        if device[slot.area.offset : slot.area.offset + AREA] == content_of(number)
    }


@pytest.mark.parametrize("distance", [DISTANCE, -DISTANCE])
def test_a_keyslot_opens_at_every_cut_whichever_are_in_use(distance: int) -> None:
    start = START if distance > 0 else START + DISTANCE
    for bits in range(1, 256):
        active = frozenset(number for number in range(8) if bits >> number & 1)
        header = header_with(active, start)
        device = on_a_device(header)
        areas = memoryview(bytes(device[start : start + 8 * PLACE]))
        # A keyslot goes down only while all of its sector's are in use, and only one at a time.
        crowded = {each for sector in (FIRST_SECTOR, SECOND_SECTOR) if sector <= active for each in sector}
        for offset, content in moves(header, distance, areas, start):
            with memoryview(content) as whole:
                half = whole.nbytes // 2 // SECTOR * SECTOR
                device[offset : offset + half] = whole[:half]
                missing = active - intact(device)
                assert len(missing) <= 1, (active, offset)
                assert missing <= crowded, (active, offset)
                device[offset : offset + whole.nbytes] = whole
            missing = active - intact(device)
            assert len(missing) <= 1, (active, offset)
            assert missing <= crowded, (active, offset)
            assert missing != active, (active, offset)
        goal = moved(header, distance)
        assert bytes(device[:592]) == luks1.serialise(goal)
        assert intact(device) == active
        for offset, content in between(goal, areas, start + distance):
            device[offset : offset + len(memoryview(content))] = content
        assert device[start + distance :][: 8 * PLACE] == areas


def test_content_between_areas_is_written_and_no_area_in_use() -> None:
    header = header_with(frozenset({0, 3}), START)
    areas = memoryview(bytes(8 * PLACE))
    written = [(offset, len(memoryview(content))) for offset, content in between(header, areas, START)]
    assert written == [
        (START + AREA, 3 * PLACE - AREA),
        (START + 3 * PLACE + AREA, 5 * PLACE - AREA),
    ]
