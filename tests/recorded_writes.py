"""Losing power: a command's writes recorded, and the device as any cut among them may leave it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from kdumpkey.storage.device import Device

SECTOR = 512
SMALL = 64  # sectors: a write of no more is torn after each of them, a larger one after some
SUBSETS = 6  # of the writes between two fsyncs, besides each alone


@dataclass
class Recorder:
    """What was written, in epochs: a new one begins with every fsync."""

    epochs: list[list[tuple[int, bytes]]] = field(default_factory=lambda: [[]])

    def record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write down every write and fsync of every device from here on."""
        pwrite, sync = Device.pwrite, Device.sync

        def noting(device: Device, buffer: object, offset: int) -> None:
            with memoryview(buffer) as view:  # type: ignore[arg-type]
                self.epochs[-1].append((offset, bytes(view.cast("B"))))
            pwrite(device, buffer, offset)  # type: ignore[arg-type]

        def syncing(device: Device) -> None:
            sync(device)
            self.epochs.append([])

        monkeypatch.setattr(Device, "pwrite", noting)
        monkeypatch.setattr(Device, "sync", syncing)

    def cuts(self, before: bytes, seed: int = 0) -> Iterator[tuple[str, bytes]]:
        """Every image that a loss of power may leave, each once.

        Before each write and after the last; and between two fsyncs also with a write of which the first k
        sectors landed, or any of them, and with some of the writes and not others, in any order, as a disk
        that holds them back may do them.
        """
        seen: set[bytes] = set()
        for what, image in self._cuts(before, random.Random(seed)):
            if image not in seen:
                seen.add(image)
                yield what, image

    def _cuts(self, before: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
        image = bytearray(before)
        for number, writes in enumerate(self.epochs):
            start = bytes(image)
            yield f"before epoch {number}", start
            for i, (offset, content) in enumerate(writes):
                for what, landed in _torn(content, chance):
                    torn = bytearray(image)
                    for at, piece in landed:
                        put(torn, offset + at, piece)
                    yield f"epoch {number}, write {i}: {what}", bytes(torn)
                put(image, offset, content)
                yield f"epoch {number}, after write {i}", bytes(image)
            for i, (offset, content) in enumerate(writes[1:], 1):
                alone = bytearray(start)
                put(alone, offset, content)
                yield f"epoch {number}, write {i} before the others", bytes(alone)
            for _ in range(SUBSETS if len(writes) > 1 else 0):
                some = chance.sample(range(len(writes)), chance.randint(1, len(writes)))
                mixed = bytearray(start)
                for i in some:
                    put(mixed, *writes[i])
                yield f"epoch {number}, writes {some} in this order", bytes(mixed)
        yield "the end", bytes(image)


def _torn(content: bytes, chance: random.Random) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
    """A write of which not all sectors landed: what is told of it, and the pieces that did."""
    sectors = -(-len(content) // SECTOR)
    first = set(range(1, sectors))
    if sectors > SMALL:
        first = {1, 2, sectors // 2, sectors - 2, sectors - 1, *chance.sample(range(1, sectors), 3)}
    for k in sorted(first):
        yield f"its first {k} sectors", [(0, content[: k * SECTOR])]
    if sectors > 1:
        some = sorted(chance.sample(range(sectors), chance.randint(1, sectors - 1)))
        pieces = [(k * SECTOR, content[k * SECTOR : (k + 1) * SECTOR]) for k in some]
        yield f"{len(some)} of its {sectors} sectors", pieces


def put(image: bytearray, offset: int, content: bytes) -> None:
    """Write into an image, which grows if need be."""
    if len(image) < offset + len(content):
        image.extend(bytes(offset + len(content) - len(image)))
    image[offset : offset + len(content)] = content
