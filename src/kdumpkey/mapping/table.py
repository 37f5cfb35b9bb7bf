"""The table of a dm-crypt mapping, as text, with its key by reference to a keyring alone.

Source: the kernel's documentation, admin-guide/device-mapper/dm-crypt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from kdumpkey.errors import CipherError, MappingError

SECTOR: Final = 512

# The words of a table are separated by spaces, and a backslash would escape the next character.
_WORD: Final = re.compile(r"[!-\[\]-~]+")
_KEY: Final = re.compile(r":([0-9]+):([a-z]+):(.+)")
_NO_KEY: Final = "-"
_SECTOR_SIZE: Final = "sector_size:"


@dataclass(frozen=True)
class KeyReference:
    """A key that the kernel finds in the keyrings of the process that loads the table.

    Attributes:
        size_bytes: Its length.
        type: ``logon``, or another type that dm-crypt takes.
        description: Its name.
    """

    size_bytes: int
    type: str
    description: str

    def __str__(self) -> str:
        return f":{self.size_bytes}:{self.type}:{self.description}"


@dataclass(frozen=True)
class CryptTarget:
    """A mapping of one dm-crypt target.

    Attributes:
        size_sectors: Its length in sectors of 512 bytes, as all the numbers of a table are.
        cipher: dm-crypt's cipher specification, such as ``aes-xts-plain64``.
        key: Where the kernel finds the key; None: the table has it in itself, which kdumpkey only ever reads.
        key_size_bytes: Its length; 0: no key, as for the null cipher.
        iv_offset_sectors: The IV's number at the beginning.
        device: The device beneath, as ``major:minor`` or a path.
        offset_sectors: Where the data begins on it.
        options: dm-crypt's own words, such as ``allow_discards``, without the sector size.
        sector_size: Bytes of an encryption sector.
    """

    size_sectors: int
    cipher: str
    key: KeyReference | None
    key_size_bytes: int
    iv_offset_sectors: int
    device: str
    offset_sectors: int
    options: tuple[str, ...] = ()
    sector_size: int = SECTOR

    def to_text(self) -> str:
        """The table's line.

        Raises:
            CipherError: The cipher, which comes from a header, is not a single word.
            MappingError: The key is not a reference to a keyring, or another word is not a single one.
        """
        if self.key is None and self.key_size_bytes:
            raise MappingError("A volume key goes into a table by its keyring's reference, or not at all.")
        if not _WORD.fullmatch(self.cipher):
            raise CipherError(f"cipher {self.cipher!r} is not supported")
        options = list(self.options)
        if self.sector_size != SECTOR:
            options.append(f"{_SECTOR_SIZE}{self.sector_size}")
        words = [
            self.cipher,
            _NO_KEY if self.key is None else str(self.key),
            str(self.iv_offset_sectors),
            self.device,
        ]
        words += [str(self.offset_sectors)]
        if options:
            words += [str(len(options)), *options]
        if bad := [word for word in words if not _WORD.fullmatch(word)]:
            raise MappingError(f"{bad[0]!r} cannot be a word of a device-mapper table.")
        return f"0 {self.size_sectors} crypt {' '.join(words)}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a table as dmsetup shows it; None: it is not that of one dm-crypt target."""
        lines = text.splitlines()
        words = lines[0].split() if len(lines) == 1 else []
        if len(words) < 8 or words[2] != "crypt":
            return None
        start, size, _, cipher, key, iv_offset, device, offset, *rest = words
        if start != "0" or not all(number.isdecimal() for number in (size, iv_offset, offset)):
            return None
        sector_size, options = SECTOR, []
        for option in rest[1:]:
            if option.startswith(_SECTOR_SIZE) and option.removeprefix(_SECTOR_SIZE).isdecimal():
                sector_size = int(option.removeprefix(_SECTOR_SIZE))
            else:
                options.append(option)
        found = _KEY.fullmatch(key)
        reference = KeyReference(int(found[1]), found[2], found[3]) if found else None
        # A key in the table itself is shown as zeros in hexadecimal, and no key as a dash.
        key_size = reference.size_bytes if reference else 0 if key == _NO_KEY else len(key) // 2
        return cls(
            int(size),
            cipher,
            reference,
            key_size,
            int(iv_offset),
            device,
            int(offset),
            tuple(options),
            sector_size,
        )
