"""The values that mutations put into headers: those at the edges of what a field can be, and strange ones."""

# ruff: noqa: SIM905 (words are read more easily in one string)
from __future__ import annotations

from typing import Any

METADATA_SIZES = [1 << shift for shift in range(14, 23)]
_SMALL = "0 1 2 7 8 31 32 33 64 511 512 513 1000 1023 1024 2048 4000 4095 4096 4097 8192 12288 16384 28672"
_LARGE = "32768 258048 290816 4190208 16744448 16777216 134217728 134221824"
_BITS = [2**31 - 1, 2**31, 2**32 - 512, 2**32 - 1, 2**32, 2**63 - 1, 2**63]
_BITS += [2**64 - 4096, 2**64 - 512, 2**64 - 1]
EDGES = [*map(int, (_SMALL + " " + _LARGE).split()), *_BITS, 2**64, 10**40]
INTS = [*EDGES, -1, -512, -(2**31), -(2**32), -(2**63), -(2**63) - 1, -(10**30)]
_ODD_DIGITS = [
    "",
    "-1",
    "-512",
    "+512",
    " 512",
    "512 ",
    "0x200",
    "0512",
    "00",
    "512\0",
    "5\x0012",
    "1.0",
    "1e3",
]
DIGITS = [*map(str, EDGES), *_ODD_DIGITS, "५१२", "dynamic", "dynamic\0", "Dynamic", "9" * 400]
DIGITS += [
    "0" * 25 + "4096",
    "0" * 4400 + "16777216",
    "0" * 5000,
    "9" * 5000,
    "4096\x009",
    "\x004096",
    "16777216\0\0",
]
WORDS = (
    "luks2 reencrypt luks1 crypt linear raw none journal checksum datashift datashift-checksum "
    "datashift-journal pbkdf2 argon2i argon2id argon2 encrypt decrypt forward backward backup-final "
    "backup-previous backup-moved-segment backup- in-reencryption online-reencrypt online-reencrypt-v2 "
    "online-reencrypt-v3 online-reencrypt-v online-reencrypt-v4 online-reencrypt-v2x req sha256 "
    "aes-xts-plain64 é /"
).split()
WORDS += ["luks2\0", "\ud800", "x\0y", "\0", '"\\', "none\0"]
# Control characters of every kind that a terminal obeys, and what only looks as if it were not there.
WORDS += [
    "\x1b]0;x\x07",
    "\x1b[2J",
    "\r",
    "\n",
    "\t\b\x7f",
    "\x9b31m",
    "\u202etxt\u202c",
    "\u2028",
    "\ufeff",
    "\x0bx",
]
# What is not a number to a strict reader, and some number to one that takes the digits it finds.
WORDS += [*"12abc +7 -7 0x10 1e3 12.9 true null 1_000 ०".split(), " 12", "12 ", "\t7\n", "1\x002", "-", "+"]
WORDS += ["9" * 19, "9" * 20, "-" + "9" * 30, "0" * 30 + "7", "1" * 5000, "0" * 5000 + "7", "-" + "0" * 5000]
OTHERS: list[Any] = [None, True, False, 1.5, -0.0, 1e300, [], {}, [1], ["0"], ["0", "0"], ["0", "1"], [None]]
OTHERS += [{"a": 1}]
# Numbers that Python would not write: over-long ones, and those with a fraction or an exponent.
NUMBERS = [
    "1" * 5000,
    "-" + "9" * 5000,
    "1" + "0" * 4300,
    "1e400",
    "-1e400",
    "1.5e-400",
    "4096.0",
    "1E3",
    "-0",
]
NUMBERS += ["0.1", "2.5", "-7.9", "1e18", "1e19", "18446744073709551615.0", "4294967296.5", "2147483648.0"]
NUMBERS += [
    "0." + "3" * 5000,
    "1" * 400 + ".5",
    "-0.0",
    "0e0",
    "1e-5",
    "9223372036854775808",
    "-9223372036854775809",
]
SALTS = [
    "",
    "AA==",
    "A",
    "AAA",
    "AAAA",
    "AAAA\n",
    " A A A A",
    "AA\r\nAA",
    "AA==AA==",
    "AA=",
    "AA===",
    "AB==",
    "AAB=",
]
SALTS += [
    "_-8=",
    "AAAA\0",
    "AA\0AA",
    "\0",
    "====",
    "=",
    "AAAA=",
    "é",
    "QUJD" * 17,
    "A" * 64 + "\t" + "A" * 64,
    "AA=\v=",
]
NAMES = [*map(str, [*range(12), 31, 32, 33, 64, 2**31, 2**32, 2**64]), "", "1\0", "0\0x", "१"]
NAMES += (
    "007 00 01 -1 x type flags size offset priority hash integrity requirements mandatory keyslots segments "
    "digests tokens config kdf af area salt iterations time memory cpus shift_size sector_size iv_tweak "
    "encryption json_size keyslots_size key_size stripes mode direction journal_encryption"
).split()
