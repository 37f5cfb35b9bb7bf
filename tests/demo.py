"""The main job, shown: a LUKS image made by cryptsetup is dumped, unlocked and decrypted, and compared.

``make demo`` runs it. Every command that it shows is run as it stands there; the exit code says whether the
plaintext was right.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMAGES = Path(__file__).parent / "images"
PASSPHRASE = b"correct horse battery staple"
GROWN = 1 << 30  # bytes: enough to see a rate, little enough for any machine


def main() -> int:
    """Show it; 0 if all plaintexts were right."""
    expected = (IMAGES / "SHA256SUMS").read_text(encoding="ascii").split()[0]
    with tempfile.TemporaryDirectory(prefix="kdumpkey-demo-") as folder:
        os.chdir(folder)
        Path("passphrase").write_bytes(PASSPHRASE)
        right = True
        for version in ("luks2", "luks1"):
            Path("disk.img").write_bytes(lzma.decompress((IMAGES / f"{version}.img.xz").read_bytes()))
            if version == "luks2":
                run("kdumpkey luksDump disk.img")
                run("kdumpkey unlock disk.img --test --key-file passphrase --verbose")
            run("kdumpkey unlock disk.img --to plain.txt --force --key-file passphrase")
            found = hashlib.sha256(Path("plain.txt").read_bytes()).hexdigest()
            right &= found == expected
            verdict = "as it was encrypted" if found == expected else f"WRONG, it was {expected}"
            print(f"# {version}: sha256 of the plaintext {found[:16]}…: {verdict}\n")
        run("head -n 3 plain.txt")
        show_speed()
    print("\nThe plaintexts are right." if right else "\nA plaintext is WRONG.")
    return 0 if right else 1


def show_speed() -> None:
    """Decrypt a GiB from the page cache; most of it is a hole, which decrypts to noise as fast as any."""
    os.truncate("disk.img", GROWN)
    with Path("disk.img").open("rb") as image:
        while image.read(1 << 20):
            pass
    command = "kdumpkey unlock disk.img --to - --key-file passphrase > /dev/null"
    began = time.monotonic()
    run(command)
    seconds = time.monotonic() - began
    size = GROWN - (2 << 20)
    rate = size / seconds / 1e9
    print(f"# {size / 1e9:.2f} GB in {seconds:.2f} s, start and key included: {rate:.1f} GB/s")


def run(command: str) -> None:
    """Show a command, and run it."""
    print(f"$ {command}", flush=True)
    command, _, output = command.partition(" > ")
    words = shlex.split(command)
    if words[0] == "kdumpkey":
        words[:1] = [sys.executable, "-m", "kdumpkey"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL if output else None)
    print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
