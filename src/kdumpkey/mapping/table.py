"""The table line of a dm-crypt mapping. The key is named by its place in a keyring; no line ever holds it.

``0 SECTORS crypt CIPHER :BYTES:TYPE:DESCRIPTION IV_OFFSET DEVICE OFFSET [COUNT OPTION…]``

Source: the kernel's documentation, admin-guide/device-mapper/dm-crypt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

_SECTOR: Final = 512
_SECTOR_SIZE: Final = "sector_size:"


@dataclass(frozen=True)
class CryptTarget:
    """One dm-crypt target that covers a whole mapping.

    Attributes:
        sectors: Its length, in 512-byte sectors.
        cipher: As dm-crypt writes it, ``aes-xts-plain64``.
        key: ``:BYTES:TYPE:DESCRIPTION``; of a foreign mapping also the hexadecimal digits that dmsetup hides.
        iv_offset: Of the first sector's initialisation vector, in 512-byte sectors.
        device: What is encrypted: a path or ``MAJOR:MINOR``.
        offset: Where on it the data begin, in 512-byte sectors.
        sector_size: Bytes that are encrypted as one, 512 to 4096.
        options: Further words, such as ``allow_discards``.
    """

    sectors: int
    cipher: str
    key: str
    iv_offset: int
    device: str
    offset: int
    sector_size: int = _SECTOR
    options: tuple[str, ...] = ()

    def to_line(self) -> str:
        """The line that dmsetup reads."""
        options = self.options
        if self.sector_size != _SECTOR:
            options = (*options, f"{_SECTOR_SIZE}{self.sector_size}")
        words = ["0", self.sectors, "crypt", self.cipher, self.key, self.iv_offset, self.device, self.offset]
        if options:
            words += [len(options), *options]
        return " ".join(map(str, words))

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """Take apart what `dmsetup table` prints; None: it is another target, or none that is understood."""
        words = line.split()
        if len(words) < 8 or words[0] != "0" or words[2] != "crypt":
            return None
        count = int(words[8]) if len(words) > 8 and words[8].isdecimal() else 0
        options = words[9 : 9 + count]
        if not all(word.isdecimal() for word in (words[1], words[5], words[7])) or len(options) != count:
            return None
        size = next(
            (word.removeprefix(_SECTOR_SIZE) for word in options if word.startswith(_SECTOR_SIZE)), "512"
        )
        if not size.isdecimal():
            return None
        others = tuple(word for word in options if not word.startswith(_SECTOR_SIZE))
        return cls(
            int(words[1]), words[3], words[4], int(words[5]), words[6], int(words[7]), int(size), others
        )

    @property
    def key_in_keyring(self) -> bool:
        """Whether the kernel took the key out of a keyring."""
        return self.key.startswith(":")

    @property
    def key_bytes(self) -> int:
        """The length of the key."""
        if self.key_in_keyring:
            size = self.key.split(":")[1]
            return int(size) if size.isdecimal() else 0
        return 0 if self.key == "-" else len(self.key) // 2
