"""The cipher specifications of dm-crypt: ``aes-xts-plain64``, ``capi:cbc(aes)-essiv:sha256`` and the like.

Two programs read a specification: dm-crypt for a volume's data, cryptsetup itself for a keyslot's area. They
make different IVs of a few specifications, so the caller says what one is for. What only one of the two reads
is read here as that one does.

Source: the kernel's documentation, admin-guide/device-mapper/dm-crypt; cryptsetup, by running it.
"""

import re
from typing import Final, NamedTuple, Self

from kdumpkey.crypto import hashes
from kdumpkey.errors import CipherError

NULL_CIPHER: Final = "cipher_null"

_CAPI: Final = "capi:"
_CAPI_MODE: Final = r"(?P<mode>[a-z0-9]+)\((?P<cipher>[^()]+)\)"
_CAPI_ESSIV: Final = r"essiv\((?P<inner>[a-z0-9]+\([^(),]+\)),(?P<hash>[^(),]+)\)"
_AES_KEY_SIZES: Final = (16, 24, 32)
_XTS_KEY_SIZES: Final = (32, 48, 64)
_MODES: Final = ("xts", "cbc", "ecb", "ctr", "cfb", "ofb")
_CRYPTSETUP_XTS_KEY_SIZES: Final = {"eboiv": (32,)}  # all of it is to be one key of AES
_STREAMING: Final = ("ctr", "cfb", "ofb")  # to the kernel, their blocks have one byte
_IVS: Final = ("plain", "plain64", "plain64be", "essiv", "benbi", "eboiv", "null")
_PREFIXES: Final = ("benbi", "eboiv")  # cryptsetup looks no further
_OTHER_IVS: Final = ("elephant", "lmk", "tcw", "random")  # dm-crypt has them, and kdumpkey has not


class CipherSpec(NamedTuple):
    """A sector cipher that kdumpkey implements, by its parts.

    Attributes:
        cipher: ``aes`` or ``cipher_null``.
        mode: ``xts``, ``cbc``, ``ecb``, ``ctr``, ``cfb`` or ``ofb``.
        iv: ``plain``, ``plain64``, ``plain64be``, ``essiv``, ``benbi``, ``eboiv`` or ``null``; empty: none.
        iv_hash: The hash of ``essiv:HASH``, else empty.
        text: What was parsed.
        essiv_of: The IV that ESSIV encrypts.
        keyslot: Whether the sectors are a keyslot's area, which cryptsetup itself encrypts.
    """

    cipher: str
    mode: str
    iv: str
    iv_hash: str
    text: str
    essiv_of: str = "plain64"
    keyslot: bool = False

    @classmethod
    def parse(cls, text: str, *, keyslot: bool = False) -> Self:
        """Take a specification apart.

        Args:
            text: ``cipher-mode-iv``, ``capi:mode(cipher)-iv``, or a bare cipher, for ``cipher-cbc-plain``.
            keyslot: Whether it is that of a keyslot's area, and not of a volume's data.

        Raises:
            CipherError: Some part is not implemented; the message names it and the whole text.
        """
        if is_null_cipher(text):
            return cls(NULL_CIPHER, "ecb", "", "", text, keyslot=keyslot)
        if text.startswith(_CAPI):
            cipher, mode, iv_text, essiv_hash = _capi_parts(text)
        else:
            cipher, mode, iv_text = _parts(text)
            essiv_hash = ""
        if cipher.lower() != "aes":
            raise CipherError(f"cipher {cipher!r} in {text!r} is not supported")
        if mode not in _MODES:
            raise CipherError(f"cipher mode {mode!r} in {text!r} is not supported")
        iv, hash_name = _iv(iv_text, mode, text)
        if not essiv_hash:
            return cls("aes", mode, iv, hash_name, text, keyslot=keyslot)
        if iv in ("essiv", "eboiv", ""):
            raise CipherError(f"IV {iv_text!r} in {text!r} is not supported")
        return cls("aes", mode, "essiv", _essiv_hash(essiv_hash, text), text, iv, keyslot)

    @property
    def is_null(self) -> bool:
        """Whether it encrypts nothing at all."""
        return self.cipher == NULL_CIPHER

    @property
    def key_sizes(self) -> tuple[int, ...]:
        """The sizes in bytes that a key of this cipher can have; empty: any."""
        if self.is_null:
            return ()
        return _XTS_KEY_SIZES if self.mode == "xts" else _AES_KEY_SIZES

    def check_key_size(self, nbytes: int) -> None:
        """Refuse a key of the wrong size.

        Raises:
            CipherError: A key of `nbytes` bytes is not one of this cipher's.
        """
        if self.key_sizes and nbytes not in self.key_sizes:
            *most, last = (str(size * 8) for size in self.key_sizes)
            raise CipherError(
                f"{self.text} has keys of {', '.join(most)} or {last} bits, not of {nbytes * 8}"
            )

    def is_cryptsetups(self, key_size: int) -> bool:
        """Whether cryptsetup itself, without dm-crypt, encrypts keyslots with it.

        Args:
            key_size: Bytes of the key.
        """
        if self.is_null or self.text.startswith(_CAPI) or self.names_needless_iv:
            return False
        if self.mode == "xts" and key_size not in _CRYPTSETUP_XTS_KEY_SIZES.get(self.iv, (32, 64)):
            return False
        return ":" not in self.text or self.iv in ("essiv", *_PREFIXES)

    @property
    def names_needless_iv(self) -> bool:
        """Whether it has an IV that ECB does not take: dm-crypt ignores it, cryptsetup refuses it."""
        return self.mode == "ecb" and not self.is_null and not self.text.endswith(("-ecb", ")", ")-"))

    @property
    def block_shift(self) -> int:
        """By how many bits ``benbi`` shifts a sector's number, to count cipher blocks.

        dm-crypt asks the mode for the size of its blocks, which is one byte where the mode makes a stream;
        cryptsetup asks the cipher.
        """
        return 9 if self.mode in _STREAMING and not self.keyslot else 5


def is_null_cipher(text: str) -> bool:
    """Whether a specification names the null cipher anywhere, which cryptsetup then takes it for."""
    return text == "null" or NULL_CIPHER in text


def dm_crypt_refusal(text: str) -> str:
    """Why dm-crypt would refuse a specification with any kernel; empty: it would not.

    Args:
        text: The specification of a volume's data.
    """
    if text.startswith(_CAPI):
        api, _, options = text.removeprefix(_CAPI).partition(":")
        name, _, iv = api.rpartition("-") if "-" in api else (api, "", "")
        mode = name.partition("(")[0]
    else:
        name, mode, iv_text = _parts(text)
        iv, _, options = iv_text.partition(":")
        if "(" in text or (not iv and mode != "ecb"):
            return f"{text!r} needs the prefix 'capi:'" if "(" in text else f"{text!r} has no IV"
    if name != name.lower():
        return f"the kernel's ciphers have no capital letters as in {name!r}"
    if mode == "ecb":  # which takes no IV, and ignores what IV is named
        return f"IV 'essiv' in {text!r} is not for ECB" if iv == "essiv" else ""
    return _iv_refusal(text, mode, iv, options)


def _iv_refusal(text: str, mode: str, iv: str, options: str) -> str:
    """Why dm-crypt would refuse an IV with a mode; empty: it would not."""
    if iv and iv not in _IVS + _OTHER_IVS:
        return f"it has no IV {iv!r}"
    if iv == "essiv" and not options:
        return f"IV 'essiv' in {text!r} names no hash"
    if iv == "random":
        return "IV 'random' needs authenticated encryption"
    if iv == "eboiv" and mode in _STREAMING:
        return f"it has no IV 'eboiv' for mode {mode!r}"
    return ""


def _parts(text: str) -> tuple[str, str, str]:
    """Cipher, mode and IV with its options, as the text has them."""
    cipher, dash, rest = text.partition("-")
    if not dash or rest in ("plain", ""):  # as dm-crypt has had it since its first version
        return cipher, "cbc", "plain"
    mode, _, iv = rest.partition("-")
    return cipher, mode, iv


def _capi_parts(text: str) -> tuple[str, str, str, str]:
    """Cipher, mode, IV with its options, and the hash of ESSIV where the kernel's own name has it."""
    end = text.rfind(")") + 1
    name, iv = text[len(_CAPI) : end], text[end:]
    essiv = re.fullmatch(_CAPI_ESSIV, name)
    match = re.fullmatch(_CAPI_MODE, essiv["inner"] if essiv else name)
    if match is None or (iv and not iv.startswith("-")):
        raise CipherError(f"cipher {text!r} is not supported")
    return match["cipher"], match["mode"], iv.removeprefix("-"), essiv["hash"] if essiv else ""


def _iv(iv_text: str, mode: str, text: str) -> tuple[str, str]:
    """The IV and its hash; what other options there are is ignored, as dm-crypt does."""
    name, _, options = iv_text.partition(":")
    iv = name.lower()
    for prefix in _PREFIXES:
        if iv.startswith(prefix):
            iv = prefix
    if mode == "ecb":
        if iv == "essiv":
            raise CipherError(f"IV {iv_text!r} with mode 'ecb' in {text!r} is not supported")
        return "", ""
    if iv not in _IVS:
        raise CipherError(f"IV {iv_text!r} in {text!r} is not supported")
    return iv, _essiv_hash(options, text) if iv == "essiv" else ""


def _essiv_hash(name: str, text: str) -> str:
    if hashes.find(name).size not in _AES_KEY_SIZES:
        raise CipherError(f"hash {name!r} in {text!r} does not make an AES key")
    return name
