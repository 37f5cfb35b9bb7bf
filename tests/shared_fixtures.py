"""Other people's images, in a folder beside the repository."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

from tools import unavailable


def shared_fixtures() -> Path:
    """The folder of fixtures: $KDUMPKEY_SHARED/fixtures, or ../shared/fixtures beside the repository."""
    root = Path(os.environ.get("KDUMPKEY_SHARED") or Path(__file__).parents[2] / "shared")
    if not (root / "fixtures").is_dir():
        unavailable(f"{root}/fixtures is not there; name its parent in KDUMPKEY_SHARED")
    return root / "fixtures"


def unpacked(packed: Path, folder: Path) -> Path:
    """A copy of an .xz image in `folder`, to be read and spoilt."""
    target = folder / packed.name.removesuffix(".xz")
    target.write_bytes(lzma.decompress(packed.read_bytes()))
    return target
