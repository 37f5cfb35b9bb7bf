"""Everything that cryptsetup can format, kdumpkey opens, and luksDump says the same of it."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from both import Result, ours, run
from tools import require_tool

CIPHERS = [("aes-xts-plain64", 256), ("aes-xts-plain64", 512), ("aes-cbc-essiv:sha256", 256)]
CHEAP = ["--pbkdf-force-iterations"]
KDFS = {
    "sha256": ["--pbkdf", "pbkdf2", *CHEAP, "1000", "--hash", "sha256"],
    "sha512": ["--pbkdf", "pbkdf2", *CHEAP, "1000", "--hash", "sha512"],
    "argon2i": ["--pbkdf", "argon2i", *CHEAP, "4", "--pbkdf-memory", "32"],
    "argon2id": ["--pbkdf", "argon2id", *CHEAP, "4", "--pbkdf-memory", "32"],
}
SECTOR_SIZES = [512, 1024, 2048, 4096]
MATRIX = [
    *itertools.product(["luks2"], CIPHERS, KDFS, SECTOR_SIZES, [False, True]),
    *itertools.product(["luks1"], CIPHERS, ["sha256", "sha512"], [512], [False, True]),
]
PASSPHRASE = b"correct horse"


@pytest.mark.parametrize(("kind", "cipher", "kdf", "sector_size", "detached"), MATRIX)
def test_what_cryptsetup_formats_is_opened_and_dumped_alike(
    tmp_path: Path, kind: str, cipher: tuple[str, int], kdf: str, sector_size: int, detached: bool
) -> None:
    cryptsetup = require_tool("cryptsetup")
    device, header = tmp_path / "device", tmp_path / "header"
    device.touch()
    os.truncate(device, (1 if detached else 20) << 20)
    options = ["--type", kind, "--cipher", cipher[0], "--key-size", str(cipher[1]), *KDFS[kdf]]
    if kind == "luks1":
        options = [option for option in options if option not in ("--pbkdf", "pbkdf2")]
    else:
        options += ["--sector-size", str(sector_size)]
    where: list[str | Path] = ["--header", header] if detached else []
    command = [cryptsetup, "-q", "luksFormat", *options, *where, device, "-"]
    subprocess.run(command, input=PASSPHRASE, check=True, capture_output=True)

    dump = ["luksDump", *where, device]
    assert ours(dump) == run([cryptsetup, *dump])
    unlock = ["unlock", *where, device, "--key-file", "-"]
    assert ours(unlock, PASSPHRASE) == Result(0, "", "")
    assert ours(unlock, b"wrong").code == 2
    assert ours([*unlock, "--to", tmp_path / "plain"], PASSPHRASE) == Result(0, "", "")
    assert (tmp_path / "plain").stat().st_size % sector_size == 0
