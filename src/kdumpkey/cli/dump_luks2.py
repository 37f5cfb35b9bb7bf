"""A LUKS2 header as `luksDump` shows it, from the JSON itself: it also shows what the model leaves out."""

from __future__ import annotations

import binascii
import math
import re
from typing import Any, Final, cast

from kdumpkey.cli.hex_lines import hex_lines
from kdumpkey.luks.model import Luks2Header
from kdumpkey.luks.rules import number
from kdumpkey.luks.strict_json import Real, serialise

_Json = dict[str, Any]  # validated; a value that no rule binds is whatever it is

_INDENT: Final = "\t" + " " * 12
_MOST: Final = 32  # keyslots and tokens with higher numbers are not shown
_MOST_DIGESTS: Final = 8
_PRIORITIES: Final = {0: "ignored", 1: "normal", 2: "preferred"}
_LEADING_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]+")


def header_text(header: Luks2Header) -> str:
    """The whole dump."""
    document: _Json = cast("_Json", header.json)
    digests: _Json = document["digests"]
    config: _Json = document["config"]
    requirements = config.get("requirements", {}).get("mandatory", [])
    return "".join(
        [
            "LUKS header information\n",
            "Version:       \t2\n",
            f"Epoch:         \t{header.seqid}\n",
            f"Metadata area: \t{header.metadata_size} [bytes]\n",
            f"Keyslots area: \t{header.config.keyslots_size} [bytes]\n",
            f"UUID:          \t{header.uuid or '(no UUID)'}\n",
            f"Label:         \t{header.label or '(no label)'}\n",
            f"Subsystem:     \t{header.subsystem or '(no subsystem)'}\n",
            f"Flags:       \t{_words(config.get('flags', [])) or '(no flags)'}\n",
            f"Requirements:\t{_words(requirements)}\n" if requirements else "",
            "\nData segments:\n",
            *(_segment(name, fields) for name, fields in _numbered(document["segments"])),
            "Keyslots:\n",
            *(_keyslot(name, fields, document) for name, fields in _numbered(document["keyslots"], _MOST)),
            "Tokens:\n",
            *(_token(name, fields) for name, fields in _numbered(document["tokens"], _MOST)),
            "Digests:\n",
            *(_digest(name, fields) for name, fields in _numbered(digests, _MOST_DIGESTS)),
        ]
    )


def _words(names: list[str]) -> str:
    return "".join(f"{name} " for name in names)


def _numbered(section: _Json, end: int | None = None) -> list[tuple[str, _Json]]:
    """The members that have a number, by number; a name such as ``007`` is none."""
    numbers = {value: name for name in section if (value := number(name)) is not None}
    return [
        (numbers[value], section[numbers[value]]) for value in sorted(numbers) if end is None or value < end
    ]


def _segment(name: str, fields: _Json) -> str:
    size = "(whole device)" if fields["size"] == "dynamic" else f"{int(fields['size'])} [bytes]"
    text = f"  {name}: {fields['type']}\n\toffset: {int(fields['offset'])} [bytes]\n\tlength: {size}\n"
    if fields["type"] == "crypt":
        text += f"\tcipher: {fields['encryption']}\n\tsector: {_uint32(fields['sector_size'])} [bytes]\n"
        if "integrity" in fields:
            text += f"\tintegrity: {_text(fields['integrity'].get('type'))}\n"
    if flags := fields.get("flags"):
        text += f"\tflags : {', '.join(flags)}\n"
    return text + "\n"


def _is_backup(segment: _Json) -> bool:
    return any(flag.startswith("backup-") for flag in segment.get("flags", []))


def _keyslot(name: str, fields: _Json, document: _Json) -> str:
    digests = _numbered(document["digests"], _MOST_DIGESTS)
    mine = next(((number, digest) for number, digest in digests if name in digest["keyslots"]), None)
    unbound = mine is None or all(
        _is_backup(document["segments"][segment]) for segment in mine[1]["segments"]
    )
    priority = _PRIORITIES.get(_int32(fields.get("priority", 1)), "invalid")
    text = (
        f"  {name}: {fields['type']}{' (unbound)' if unbound else ''}\n"
        f"\tKey:        {_bits(fields['key_size'])} bits\n"
        f"\tPriority:   {priority}\n"
    )
    if fields["type"] == "luks2":
        text += _luks2_keyslot(fields)
    elif fields["type"] == "reencrypt":
        text += _reencrypt_keyslot(fields)
    return text + (f"\tDigest ID:  {mine[0]}\n" if mine else "")


def _luks2_keyslot(fields: _Json) -> str:
    area, kdf, af = fields["area"], fields["kdf"], fields["af"]
    if kdf["type"] == "pbkdf2":
        costs = f"\tHash:       {_text(kdf.get('hash'))}\n\tIterations: {_uint64(kdf.get('iterations'))}\n"
    else:
        costs = (
            f"\tTime cost:  {_uint64(kdf.get('time'))}\n"
            f"\tMemory:     {_uint64(kdf.get('memory'))}\n"
            f"\tThreads:    {_uint64(kdf.get('cpus'))}\n"
        )
    return (
        f"\tCipher:     {area['encryption']}\n"
        f"\tCipher key: {_bits(area['key_size'])} bits\n"
        f"\tPBKDF:      {kdf['type']}\n"
        f"{costs}"
        f"\tSalt:       {_octets(kdf.get('salt'))}"
        f"\tAF stripes: {_uint32(af['stripes'])}\n"
        f"\tAF hash:    {af['hash']}\n"
        f"{_area(area)}"
    )


def _reencrypt_keyslot(fields: _Json) -> str:
    area = fields["area"]
    kind = area["type"]
    text = (
        f"\tMode:       {_text(fields.get('mode'))}\n"
        f"\tDirection:  {_text(fields.get('direction'))}\n"
        f"\tResilience: {kind}\n"
    )
    if kind == "checksum":
        text += f"\tHash:       {_text(area.get('hash'))}\n"
        text += f"\tHash data:  {_int32(area.get('sector_size'))} [bytes]\n"
    if kind == "datashift":
        text += f"\tShift size: {_text(area.get('shift_size'))}[bytes]\n"
    return text + _area(area)


def _area(area: _Json) -> str:
    return f"\tArea offset:{int(area['offset'])} [bytes]\n\tArea length:{int(area['size'])} [bytes]\n"


def _token(name: str, fields: _Json) -> str:
    text = f"  {name}: {fields['type']}\n"
    if fields["type"] == "luks2-keyring" and "key_description" in fields:
        text += f"\tKey description: {_text(fields.get('key_description'))}\n"
    return text + "".join(f"\tKeyslot:    {keyslot}\n" for keyslot in fields["keyslots"])


def _digest(name: str, fields: _Json) -> str:
    text = f"  {name}: {fields['type']}\n"
    if fields["type"] != "pbkdf2":
        return text
    return (
        f"{text}"
        f"\tHash:       {_text(fields.get('hash'))}\n"
        f"\tIterations: {_uint64(fields.get('iterations'))}\n"
        f"\tSalt:       {_octets(fields.get('salt'))}"
        f"\tDigest:     {_octets(fields.get('digest'))}"
    )


def _octets(value: Any) -> str:
    """Base64 as hexadecimal; without even a newline where it is none, as cryptsetup."""
    try:
        octets = binascii.a2b_base64("".join(str(value).split()), strict_mode=True)
    except ValueError:
        return ""
    return hex_lines(octets, _INDENT)


def _text(value: Any) -> str:
    """A value of any type as json-c gives its text."""
    if isinstance(value, str):
        return value
    return "(null)" if value is None else serialise(value).decode()


def _number(value: Any) -> int:
    """A value of any type as json-c gives its number."""
    if isinstance(value, str):
        found = _LEADING_INTEGER.match(value)
        return int(found[0]) if found else 0
    if isinstance(value, Real):
        return int(float(value.text)) if math.isfinite(float(value.text)) else 0
    return value if isinstance(value, int) else 0


def _int32(value: Any) -> int:
    return max(-(1 << 31), min(_number(value), (1 << 31) - 1))


def _uint32(value: Any) -> int:
    return _int32(value) % (1 << 32)


def _uint64(value: Any) -> int:
    return _number(value) % (1 << 64)


def _bits(nbytes: Any) -> int:
    return _number(nbytes) * 8 % (1 << 32)
