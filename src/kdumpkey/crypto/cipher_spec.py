"""The cipher specifications of dm-crypt: ``aes-xts-plain64``, ``capi:cbc(aes)-essiv:sha256`` and the like."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from kdumpkey.crypto import hashes
from kdumpkey.errors import CipherError

_CAPI = re.compile(r"capi:(?P<mode>[^()-]+)\((?P<cipher>[^()]+)\)(?:-(?P<iv>.+))?")
_KEY_SIZES: Final = {"xts": (32, 64), "cbc": (16, 24, 32)}
_IVS: Final = {"xts": ("plain", "plain64"), "cbc": ("plain", "plain64", "essiv")}
_KNOWN_IVS: Final = ("plain", "plain64", "essiv")
_AES_KEY_SIZES: Final = (16, 24, 32)


@dataclass(frozen=True)
class CipherSpec:
    """A sector cipher that kdumpkey implements, by its parts.

    `cipher` is ``aes``; `mode` is ``xts`` or ``cbc``; `iv` is ``plain``, ``plain64`` or ``essiv``; `iv_hash`
    is the hash of ``essiv:HASH``, else empty; `text` is what was parsed.
    """

    cipher: str
    mode: str
    iv: str
    iv_hash: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a specification apart (spec/luks.md, "Cipher strings").

        Args:
            text: ``cipher-mode-iv``, ``capi:mode(cipher)-iv``, or a bare cipher, for ``cipher-cbc-plain``.

        Raises:
            CipherError: Some part is not implemented; the message names it and the whole text.
        """
        cipher, mode, iv_text = _parts(text)
        iv, _, iv_hash = iv_text.partition(":")
        if cipher != "aes":
            raise CipherError(f"cipher {cipher!r} in {text!r} is not supported")
        if mode not in _KEY_SIZES:
            raise CipherError(f"cipher mode {mode!r} in {text!r} is not supported")
        if iv not in _KNOWN_IVS or (iv != "essiv" and ":" in iv_text):
            raise CipherError(f"IV {iv_text!r} in {text!r} is not supported")
        if iv not in _IVS[mode]:
            raise CipherError(f"IV {iv_text!r} with mode {mode!r} in {text!r} is not supported")
        if iv == "essiv" and hashes.find(iv_hash).size not in _AES_KEY_SIZES:
            raise CipherError(f"hash {iv_hash!r} in {text!r} does not make an AES key")
        return cls(cipher, mode, iv, iv_hash, text)

    @property
    def key_sizes(self) -> tuple[int, ...]:
        """The sizes in bytes that a key of this cipher can have."""
        return _KEY_SIZES[self.mode]

    def check_key_size(self, nbytes: int) -> None:
        """Refuse a key of the wrong size.

        Raises:
            CipherError: A key of `nbytes` bytes is not one of this cipher's.
        """
        if nbytes not in self.key_sizes:
            *most, last = (str(size * 8) for size in self.key_sizes)
            raise CipherError(
                f"{self.text} has keys of {', '.join(most)} or {last} bits, not of {nbytes * 8}"
            )


def _parts(text: str) -> tuple[str, str, str]:
    """Cipher, mode and IV with its options, as the text has them."""
    if text.startswith("capi:"):
        match = _CAPI.fullmatch(text)
        if match is None:
            raise CipherError(f"cipher {text!r} is not supported")
        return match["cipher"], match["mode"], match["iv"] or ""
    cipher, dash, rest = text.partition("-")
    if not dash or rest == "plain":  # as dm-crypt has had it since its first version
        return cipher, "cbc", "plain"
    mode, _, iv = rest.partition("-")
    return cipher, mode, iv
