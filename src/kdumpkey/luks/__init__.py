"""LUKS headers and keyslots, both versions."""

from kdumpkey.luks.header import read_header

__all__ = ["read_header"]
