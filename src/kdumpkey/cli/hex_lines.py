"""Octets in hexadecimal, in lines of sixteen, as the dumps show salts, digests and keys."""

from __future__ import annotations


def hex_lines(octets: bytes | memoryview, indent: str, *, per_line: int = 16) -> str:
    """Each octet with a space behind it, each line with a newline; every line but the first is indented.

    For public octets alone: what it makes is a str, which nobody can wipe. Keys go through `hex_bytes`.
    """
    lines = [octets[start : start + per_line] for start in range(0, len(octets), per_line)]
    return indent.join("".join(f"{octet:02x} " for octet in line) + "\n" for line in lines)


def hex_bytes(octets: memoryview, indent: bytes, *, per_line: int = 16) -> bytearray:
    """As `hex_lines`, in a buffer that its caller wipes."""
    digits = b"0123456789abcdef"
    text = bytearray(3 * len(octets) + len(octets) // per_line * (1 + len(indent)) + 1)
    end = 0
    for index, octet in enumerate(octets):
        text[end : end + 3] = (digits[octet >> 4], digits[octet & 15], 0x20)
        end += 3
        if index == len(octets) - 1 or index % per_line == per_line - 1:
            text[end] = 0x0A
            end += 1
            if index < len(octets) - 1:
                text[end : end + len(indent)] = indent
                end += len(indent)
    del text[end:]
    return text
