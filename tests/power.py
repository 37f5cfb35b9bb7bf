"""Losing power: a command's writes recorded, and the device as any cut among them may leave it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from kdumpkey.blockio import Device

SECTOR = 512


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
        """Every image that a loss of power may leave.

        Before each write and after the last; and between two fsyncs also with a write torn after its first k
        sectors, and with the writes in another order, as a disk that holds them back may do them.
        """
        chance = random.Random(seed)
        image = bytearray(before)
        for number, writes in enumerate(self.epochs):
            start = bytes(image)
            yield f"before epoch {number}", start
            for i, (offset, content) in enumerate(writes):
                sectors = max(1, -(-len(content) // SECTOR))
                for k in {1, sectors // 2, sectors - 1, chance.randrange(sectors)} - {0, sectors}:
                    torn = bytearray(image)
                    put(torn, offset, content[: k * SECTOR])
                    yield f"epoch {number}, write {i} torn after {k} sectors", bytes(torn)
                put(image, offset, content)
                yield f"epoch {number}, after write {i}", bytes(image)
            for i, (offset, content) in enumerate(writes[1:], 1):
                alone = bytearray(start)
                put(alone, offset, content)
                yield f"epoch {number}, write {i} before the others", bytes(alone)
        yield "the end", bytes(image)


def put(image: bytearray, offset: int, content: bytes) -> None:
    """Write into an image, which grows if need be."""
    if len(image) < offset + len(content):
        image.extend(bytes(offset + len(content) - len(image)))
    image[offset : offset + len(content)] = content
