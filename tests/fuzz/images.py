"""Images of headers, whole and sparse, from the fields that one wants to see in them."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

from kdumpkey.errors import DeviceError

LUKS2 = struct.Struct(">6sHQQ48s32s64s40s48sQ184s64s")
LUKS1 = struct.Struct(">6sH32s32s32sII20s32sI40s")
LUKS1_SLOT = struct.Struct(">II32sII")


@dataclass(frozen=True)
class HeaderImage:
    """The bytes of a sparse image: what stands where, and its size; `texts` are its JSON areas."""

    size: int
    chunks: tuple[tuple[int, bytes], ...]
    texts: tuple[bytes, ...] = ()

    def content(self) -> bytes:
        whole = bytearray(self.size)
        for offset, chunk in self.chunks:
            end = min(self.size, offset + len(chunk))
            if offset < end:
                whole[offset:end] = chunk[: end - offset]
        return bytes(whole)


class SparseReader:
    """A Reader of an image that never has its empty parts in memory."""

    name = "image"

    def __init__(self, image: HeaderImage) -> None:
        self._image = image
        self.size = image.size

    def pread_into(self, buffer: Any, offset: int) -> None:
        with memoryview(buffer).cast("B") as view:
            if offset + view.nbytes > self.size:
                raise DeviceError("Device image ends.")
            view[:] = bytes(view.nbytes)
            for start, chunk in self._image.chunks:
                first, last = max(start, offset), min(start + len(chunk), offset + view.nbytes)
                if first < last:
                    view[first - offset : last - offset] = chunk[first - start : last - start]


@dataclass
class Copy:
    """The fields of one copy's binary header, and its text."""

    text: bytes
    magic: bytes = b"LUKS\xba\xbe"
    version: int = 2
    hdr_size: int = 16384
    seqid: int = 3
    label: bytes = b""
    csum_alg: bytes = b"sha256"
    salt: bytes = b"s" * 64
    uuid: bytes = b"78c26f5f-7864-4b3d-a66b-a285583acaa8"
    subsystem: bytes = b""
    hdr_offset: int = 0
    padding: bytes = b""
    tail: bytes = b""
    flip: int = -1  # the byte to spoil after the checksum was made

    def pack(self, area_size: int) -> bytes:
        fields = (self.magic, self.version, self.hdr_size, self.seqid, self.label, self.csum_alg, self.salt)
        fields += (self.uuid, self.subsystem, self.hdr_offset, self.padding)
        area = (self.text.ljust(area_size - len(self.tail), b"\0") + self.tail)[:area_size]
        block = LUKS2.pack(*fields, b"").ljust(4096, b"\0")
        try:
            name = self.csum_alg.partition(b"\0")[0].decode("latin-1")
            csum = hashlib.new(name, block + area).digest()
        except (ValueError, TypeError):
            csum = hashlib.sha256(block + area).digest()
        whole = bytearray(LUKS2.pack(*fields, csum).ljust(4096, b"\0") + area)
        if 0 <= self.flip < len(whole):
            whole[self.flip] ^= 1 << (self.flip % 8)
        return bytes(whole)


def image_of(metadata: dict[str, Any], *, size: int = 16777216) -> HeaderImage:
    """The image of a LUKS2 header, both copies alike."""
    text = json.dumps(metadata, separators=(",", ":")).encode()
    size_said = (
        metadata.get("config", {}).get("json_size") if isinstance(metadata.get("config"), dict) else None
    )
    area = 28672 if size_said == "28672" else 12288
    first = Copy(text, hdr_size=area + 4096)
    second = Copy(text, b"SKUL\xba\xbe", hdr_size=area + 4096, hdr_offset=area + 4096)
    return HeaderImage(size, ((0, first.pack(area)), (area + 4096, second.pack(area))), (text, text))


def luks1_image(size: int = 2068480, **changes: Any) -> HeaderImage:
    """The image of a LUKS1 header of a 64-byte key; `changes` replace fields, or a whole slot (`slot1`)."""
    fields: dict[str, Any] = {
        "magic": b"LUKS\xba\xbe",
        "version": 1,
        "cipher_name": b"aes",
        "cipher_mode": b"xts-plain64",
        "hash_spec": b"sha256",
        "payload_offset": 4096,
        "key_bytes": 64,
        "mk_digest": b"d" * 20,
        "mk_digest_salt": b"s" * 32,
        "mk_digest_iterations": 1000,
        "uuid": b"872344b1-08d7-4a32-a61f-4ed36fed50f2",
    }
    slots = {f"slot{i}": (0xDEAD, 0, b"", 8 + 504 * i, 4000) for i in range(8)}
    slots["slot0"] = (0xAC71F3, 1000, b"s" * 32, 8, 4000)
    fields.update({name: value for name, value in changes.items() if name in fields})
    slots.update({name: value for name, value in changes.items() if name in slots})
    block = LUKS1.pack(*fields.values()) + b"".join(LUKS1_SLOT.pack(*slot) for slot in slots.values())
    return HeaderImage(size, ((0, block.ljust(1024, b"\0")),))
