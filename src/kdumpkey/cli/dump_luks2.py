"""A LUKS2 header as `luksDump` shows it, from the model: what it means, and not what stands in its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kdumpkey.cli.hex_lines import hex_lines
from kdumpkey.crypto.kdf import Argon2, Pbkdf2
from kdumpkey.luks.model import (
    Area,
    Digest,
    Kdf,
    Keyslot,
    Luks2Header,
    Reencryption,
    Segment,
    Token,
    UnknownKdf,
)

Shown = Callable[[str], str]

_INDENT: Final = "\t" + " " * 12
_MOST: Final = 32  # keyslots and tokens with higher numbers are not shown
_MOST_DIGESTS: Final = 8
_LONGEST: Final = 4095  # bytes that cryptsetup logs at a time: it leaves out what is longer
_PRIORITIES: Final = {0: "ignored", 1: "normal", 2: "preferred"}


def header_text(header: Luks2Header, shown: Shown = str) -> str:
    """The whole dump.

    Args:
        header: The header.
        shown: What becomes of each text that the header holds before it is shown.
    """
    return "".join(block for block in _blocks(header, shown) if _is_logged(block))


def _is_logged(block: str) -> bool:
    return len(block) <= _LONGEST // 4 or len(block.encode("utf-8", "surrogateescape")) <= _LONGEST


def _blocks(header: Luks2Header, shown: Shown) -> Iterator[str]:
    yield "LUKS header information\nVersion:       \t2\n"
    yield f"Epoch:         \t{header.seqid}\n"
    yield f"Metadata area: \t{header.metadata_size} [bytes]\n"
    yield f"Keyslots area: \t{header.config.keyslots_size} [bytes]\n"
    yield f"UUID:          \t{shown(header.uuid) or '(no UUID)'}\n"
    yield f"Label:         \t{shown(header.label) or '(no label)'}\n"
    yield f"Subsystem:     \t{shown(header.subsystem) or '(no subsystem)'}\n"
    yield "Flags:       \t"
    yield from (f"{shown(flag)} " for flag in header.config.flags)
    yield "\n" if header.config.flags else "(no flags)\n"
    if header.config.requirements:
        yield "Requirements:\t"
        yield from (f"{shown(name)} " for name in header.config.requirements)
        yield "\n"
    yield "\nData segments:\n"
    for number in sorted(header.segments):
        yield from _segment(header.segments[number], shown)
    yield "Keyslots:\n"
    for number in range(_MOST):
        if number in header.keyslots:
            yield from _keyslot(header.keyslots[number], shown)
    yield "Tokens:\n"
    for number in range(_MOST):
        if number in header.tokens:
            yield from _token(header.tokens[number], shown)
    yield "Digests:\n"
    for number in range(_MOST_DIGESTS):
        if number in header.digests:
            yield from _digest(header.digests[number], shown)


def _segment(segment: Segment, shown: Shown) -> Iterator[str]:
    yield f"  {segment.id}: {shown(segment.type)}\n"
    size = "(whole device)" if segment.size is None else f"{segment.size} [bytes]"
    yield f"\toffset: {segment.offset} [bytes]\n\tlength: {size}\n"
    claim = segment.claim
    if claim.encryption is not None:
        yield f"\tcipher: {shown(claim.encryption)}\n"
    if claim.sector_size is not None:
        yield f"\tsector: {_unsigned(claim.sector_size, 32)} [bytes]\n"
    if claim.integrity is not None:
        yield f"\tintegrity: {shown(claim.integrity)}\n"
    if segment.flags:
        first, *others = segment.flags
        yield f"\tflags : {shown(first)}"
        yield from (f", {shown(flag)}" for flag in others)
        yield "\n"
    yield "\n"


def _keyslot(keyslot: Keyslot, shown: Shown) -> Iterator[str]:
    yield f"  {keyslot.id}: {shown(keyslot.type)}{'' if keyslot.opens_data else ' (unbound)'}\n"
    yield f"\tKey:        {_bits(keyslot.key_size)} bits\n"
    yield f"\tPriority:   {_PRIORITIES.get(keyslot.priority, 'invalid')}\n"
    if keyslot.type == "luks2":
        yield from _luks2_keyslot(keyslot, shown)
    elif keyslot.reencryption is not None:
        yield from _reencrypt_keyslot(keyslot.reencryption, keyslot.area, shown)
    yield from (f"\tDigest ID:  {name}\n" for name in keyslot.digests)


def _luks2_keyslot(keyslot: Keyslot, shown: Shown) -> Iterator[str]:
    area, af, kdf = keyslot.area, keyslot.af, keyslot.kdf
    yield f"\tCipher:     {shown(area.encryption)}\n"
    yield f"\tCipher key: {_bits(area.key_size)} bits\n"
    if kdf is not None:
        yield from _kdf(kdf, shown)
    if af is not None:
        yield f"\tAF stripes: {_unsigned(af.stripes, 32)}\n"
        yield f"\tAF hash:    {shown(af.hash)}\n"
    yield from _area(area)


def _kdf(kdf: Kdf, shown: Shown) -> Iterator[str]:
    match kdf:
        case Pbkdf2():
            yield from _pbkdf2("pbkdf2", kdf.hash, kdf.iterations, shown)
        case UnknownKdf(type="pbkdf2"):
            yield from _pbkdf2(kdf.type, kdf.hash, kdf.iterations, shown)
        case Argon2():
            yield from _argon2(kdf.variant, kdf.time, kdf.memory_kib, kdf.parallel)
        case UnknownKdf():
            yield from _argon2(shown(kdf.type), kdf.time, kdf.memory_kib, kdf.parallel)
    yield "\tSalt:       "
    yield from _octets(kdf.salt)


def _pbkdf2(name: str, hash_name: str, iterations: int, shown: Shown) -> Iterator[str]:
    yield f"\tPBKDF:      {name}\n"
    yield f"\tHash:       {shown(hash_name)}\n"
    yield f"\tIterations: {_unsigned(iterations, 64)}\n"


def _argon2(name: str, time: int, memory_kib: int, parallel: int) -> Iterator[str]:
    yield f"\tPBKDF:      {name}\n"
    yield f"\tTime cost:  {_unsigned(time, 64)}\n"
    yield f"\tMemory:     {_unsigned(memory_kib, 64)}\n"
    yield f"\tThreads:    {_unsigned(parallel, 64)}\n"


def _reencrypt_keyslot(reencryption: Reencryption, area: Area, shown: Shown) -> Iterator[str]:
    yield f"\tMode:       {shown(reencryption.mode)}\n"
    yield f"\tDirection:  {shown(reencryption.direction)}\n"
    yield f"\tResilience: {shown(area.type)}\n"
    if area.type == "checksum":
        yield f"\tHash:       {shown(reencryption.hash)}\n"
        yield f"\tHash data:  {reencryption.sector_size} [bytes]\n"
    if area.type == "datashift":
        yield f"\tShift size: {shown(reencryption.shift_size)}[bytes]\n"
    yield from _area(area)


def _area(area: Area) -> Iterator[str]:
    yield f"\tArea offset:{area.offset} [bytes]\n\tArea length:{area.size} [bytes]\n"


def _token(token: Token, shown: Shown) -> Iterator[str]:
    yield f"  {token.id}: {shown(token.type)}\n"
    if token.key_description is not None:
        yield f"\tKey description: {shown(token.key_description)}\n"
    yield from (f"\tKeyslot:    {name}\n" for name in token.keyslot_names)


def _digest(digest: Digest, shown: Shown) -> Iterator[str]:
    yield f"  {digest.id}: {shown(digest.type)}\n"
    if digest.type == "pbkdf2":
        yield f"\tHash:       {shown(digest.hash)}\n"
        yield f"\tIterations: {_unsigned(digest.iterations, 64)}\n"
        yield "\tSalt:       "
        yield from _octets(digest.salt)
        yield "\tDigest:     "
        yield from _octets(digest.digest)


def _octets(value: bytes | None) -> Iterator[str]:
    """The lines of octets; without a value not even the line that was begun ends, as with cryptsetup."""
    if value is not None:
        yield from hex_lines(value, _INDENT).splitlines(keepends=True) or ["\n"]


def _unsigned(value: int, bits: int) -> int:
    return value % (1 << bits)


def _bits(nbytes: int) -> int:
    return _unsigned(nbytes * 8, 32)
