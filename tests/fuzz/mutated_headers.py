"""Every way that a test can think of to spoil a header: its JSON, its text, its binary fields, its copies."""

from __future__ import annotations

from random import Random
from typing import Any

from foreign_signatures import FOREIGN, HARMLESS
from fuzz.base_headers import BASES, base
from fuzz.images import Copy, HeaderImage, luks1_image
from fuzz.json_mutations import JSON_MUTATIONS, text_of
from fuzz.values import EDGES, METADATA_SIZES


def mutated_image(random: Random) -> HeaderImage:
    """Make one image: now LUKS2, now and then LUKS1."""
    return _luks1(random) if random.random() < 0.1 else _luks2(random)


def _luks2(random: Random) -> HeaderImage:
    name = random.choice(list(BASES))
    metadata = base(name)
    metadata_size = 32768 if name == "other sizes" else 16384
    minimum = 2 * metadata_size + int(metadata["config"]["keyslots_size"])
    kind = random.random()
    if kind < 0.75:
        for _ in range(random.choice([1, 1, 1, 1, 2, 3, 5])):
            random.choice(JSON_MUTATIONS)(random, metadata)
    text = text_of(
        metadata,
        ascii_alone=random.random() < 0.5,
        errors="surrogatepass" if random.random() < 0.1 else "replace",
    )
    if random.random() < 0.15:
        text = _mutate_text(random, text)
    first = Copy(text, hdr_size=metadata_size)
    second = Copy(text, b"SKUL\xba\xbe", hdr_size=metadata_size, hdr_offset=metadata_size, salt=b"t" * 64)
    if random.random() < 0.3:  # the copies differ
        other = base(name)
        if random.random() < 0.5:
            random.choice(JSON_MUTATIONS)(random, other)
        victim = random.choice([first, second])
        victim.text = text_of(other)
        victim.seqid += random.choice([-1, 0, 1, 2**63])
    size = minimum
    if kind > 0.7:
        for _ in range(random.choice([1, 1, 2, 3])):
            _mutate_binary(random, random.choice([first, second]))
    if random.random() < 0.1:
        size = max(
            0,
            random.choice([minimum, metadata_size, 2 * metadata_size])
            + random.choice([-4096, -512, -1, 1, 512]),
        )
    if random.random() < 0.05:
        first.magic = random.choice([bytes(6), b"SKUL\xba\xbe", b"LUKS\xba\xbf", b"VACUUM"])
    area = metadata_size - 4096
    at = metadata_size if random.random() < 0.97 else random.choice([4096, 8192, *METADATA_SIZES])
    chunks = ((0, first.pack(area)), (at, second.pack(area)))
    if random.random() < 0.05:
        chunks += tuple(random.choice([*FOREIGN.values(), *HARMLESS.values()]))
    return HeaderImage(size, chunks, (first.text, second.text))


def _mutate_text(random: Random, text: bytes) -> bytes:
    at = random.randrange(len(text) + 1)
    kind = random.randrange(6)
    if kind == 0:
        return text[:at] + bytes([random.randrange(256)]) + text[at + random.randrange(2) :]
    if kind == 1:
        return text + random.choice([b" ", b"\n\t\r ", b"\0 ", b"\0x", b"x", b"}", b"\v", b"\xc2\xa0", b"\f"])
    if kind == 2:
        return random.choice([b" ", b"\n", b"[", b"\xef\xbb\xbf", b"\0", b"/**/"]) + text
    if kind == 3:  # white space and other things between tokens
        places = [i for i in range(len(text)) if text[i] in b"{}[],:"]
        at = random.choice(places) + random.randrange(2)
        junk = [
            b" ",
            b"\t\r\n",
            b"\v",
            b"/* */",
            b"//\n",
            b",",
            b"\0",
            b"null",
            b"NaN",
            b"'a'",
            b'"a":1,',
            b"\x7f",
        ]
        return text[:at] + random.choice(junk) + text[at:]
    if kind == 4:
        old = random.choice([b'"0"', b":", b"1", b'"type"', b'"luks2"', b"4096", b'"pbkdf2"', b"/"])
        new = random.choice(
            [
                b"'0'",
                b'"\\u0030"',
                b"01",
                b"1.0",
                b"-0",
                b"1e0",
                b"NaN",
                b'"lu\\u006bs2"',
                b'"ty\\u0070e"',
                b"\\/",
            ]
        )
        return text.replace(old, new, random.choice([1, 1, -1]))
    return text[:at] + text[at + random.randrange(1, 9) :]


def _mutate_binary(random: Random, copy: Copy) -> None:
    kind = random.randrange(14)
    if kind == 0:
        copy.version = random.choice([0, 1, 2, 3, 256, 512, 65535])
    elif kind == 1:
        copy.hdr_size = random.choice(
            [*METADATA_SIZES, 0, 4096, 8192, 12288, 16385, 20480, 2**23, 2**31, 2**32, 2**63, 2**64 - 1]
        )
    elif kind == 2:
        copy.seqid = random.choice([0, 1, 2, 3, 4, 2**63, 2**64 - 1])
    elif kind == 3:
        copy.csum_alg = random.choice(
            [
                b"",
                b"sha1",
                b"sha512",
                b"SHA256",
                b"sha-256",
                b"md5",
                b"nope",
                b"sha256\0x",
                b"x" * 32,
                b"sha256" + b"\xff",
                b"sha3-256",
                b"sm3",
                b"ripemd160",
                b"sha3_256",
            ]
        )
    elif kind == 4:
        copy.hdr_offset = random.choice([0, 1, 512, 4096, *METADATA_SIZES, 2**64 - 1])
    elif kind == 5:
        copy.magic = random.choice(
            [b"LUKS\xba\xbe", b"SKUL\xba\xbe", bytes(6), b"LUKS\xba\xbf", b"luks\xba\xbe"]
        )
    elif kind == 6:
        copy.flip = random.choice(
            [random.randrange(512), random.randrange(4096), random.randrange(4096, 16384)]
        )
    elif kind == 7:
        copy.label = random.choice(
            [b"x" * 48, b"a\xff", b"label", b"\0x", b"\x1b[2J\r\n", "é\u202e".encode()]
        )
    elif kind == 8:
        copy.uuid = random.choice([b"x" * 40, b"", b"\xff\xfe", b"not a uuid", b"\x1b]0;x\x07"])
    elif kind == 9:
        copy.padding = bytes([random.randrange(256)]) * random.randrange(185)
    elif kind == 10:
        copy.tail = random.choice([b"\0", b"x", b" ", b"}", b"x" * 100])
    elif kind == 11:
        copy.text = random.choice(
            [
                copy.text.ljust(12287),
                copy.text.ljust(12288),
                copy.text.ljust(12289, b" "),
                b"{}",
                b"",
                b"[]",
                b"{",
            ]
        )
    elif kind == 12:
        copy.subsystem = random.choice([b"x" * 48, b"\xff", b"subsystem", b"\0x", b"\x9b2J", b"a\nb"])
    else:
        copy.salt = bytes(64)


def _luks1(random: Random) -> HeaderImage:
    changes: dict[str, Any] = {}
    edges = [value for value in EDGES if value < 2**32]
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        kind = random.randrange(10)
        if kind == 0:
            changes["version"] = random.choice([0, 1, 2, 3])
        elif kind == 1:
            name = random.choice(["cipher_name", "cipher_mode", "uuid"])
            changes[name] = random.choice([b"", b"x" * 40, b"\xff", b"aes\0x", b"\x1b[2J", b"a\n"])
        elif kind == 2:
            changes["hash_spec"] = random.choice(
                [
                    b"",
                    b"sha1",
                    b"md5",
                    b"sha512",
                    b"nope",
                    b"ripemd160",
                    b"whirlpool",
                    b"SHA1",
                    b"blake2b-512",
                    b"sha1\0x",
                    b"x" * 32,
                ]
            )
        elif kind == 3:
            changes["payload_offset"] = random.choice([*edges, 4035, 4036, 4037, 4096])
        elif kind == 4:
            changes["key_bytes"] = random.choice([*edges, 16, 63, 65, 128])
        else:
            number = random.randrange(8)
            state, iterations, salt, offset, stripes = changes.get(
                f"slot{number}", (0xDEAD, 0, b"", 8 + 504 * number, 4000)
            )
            if kind == 5:
                state = random.choice([0xAC71F3, 0xDEAD, 0, 2**32 - 1])
            elif kind == 6:
                iterations = random.choice(edges)
            elif kind == 7:
                stripes = random.choice([0, 1, 3999, 4001, *edges])
            else:
                offset = random.choice(
                    [*edges, *(max(0, offset + step) for step in (-504, -5, -4, -1, 1, 4, 5, 504))]
                )
            changes[f"slot{number}"] = (state, iterations, salt, offset, stripes)
    size = 2068480
    if random.random() < 0.2:
        size = random.choice([0, 511, 512, 592, 1023, 1024, 4096, 2066431, 2066432, 2066433, 2097152])
    return luks1_image(size, **changes)
