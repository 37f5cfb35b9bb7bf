"""Images for the benchmarks: real headers of cryptsetup's, with as much data behind them as is asked for."""

from __future__ import annotations

import lzma
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kdumpkey import open_luks
from kdumpkey.luks import luks2
from kdumpkey.luks.model import Luks2Header

PASSPHRASE = b"correct horse battery staple"
DATA_OFFSET = 2 << 20
_IMAGE = Path(__file__).parent.parent / "tests" / "images" / "luks2.img.xz"


@dataclass(frozen=True)
class Image:
    """A LUKS2 image with files that open it."""

    path: Path
    key_file: Path
    volume_key_file: Path


def make(folder: Path, data_bytes: int, *, sector_size: int = 512) -> Image:
    """Make an image whose data are random bytes, written out so that the page cache has them.

    Args:
        folder: Where.
        data_bytes: How long the data are, a multiple of 1 MiB.
        sector_size: The encryption sector size that the header is given.
    """
    path, key_file, volume_key_file = folder / "disk.img", folder / "passphrase", folder / "volume.key"
    key_file.write_bytes(PASSPHRASE)
    content = bytearray(lzma.decompress(_IMAGE.read_bytes())[:DATA_OFFSET])
    path.write_bytes(content)
    os.truncate(path, DATA_OFFSET + data_bytes)
    with open_luks(path) as luks, luks.unlock(PASSPHRASE) as opened:
        volume_key_file.write_bytes(bytes(memoryview(opened.volume_key)))
        header = luks.header
    assert isinstance(header, Luks2Header)
    if sector_size != 512:
        header.json["segments"]["0"]["sector_size"] = sector_size  # type: ignore[index, call-overload]
        for secondary in (False, True):
            offset = header.metadata_size if secondary else 0
            copy = luks2.serialise(header, secondary=secondary, salt=bytes(64))
            content[offset : offset + header.metadata_size] = copy
    with path.open("wb") as file:
        file.write(content)
        piece = os.urandom(1 << 20)
        for _ in range(data_bytes >> 20):
            file.write(piece)
    return Image(path, key_file, volume_key_file)


def format_with_cryptsetup(path: Path, cryptsetup: str, *options: str) -> None:
    """Have cryptsetup make a LUKS2 image of 20 MiB, opened by `PASSPHRASE`."""
    path.touch()
    os.truncate(path, 20 << 20)
    command = [
        cryptsetup,
        "luksFormat",
        "--batch-mode",
        "--type",
        "luks2",
        "--key-file",
        "-",
        *options,
        str(path),
    ]
    subprocess.run(command, input=PASSPHRASE, check=True, capture_output=True)
