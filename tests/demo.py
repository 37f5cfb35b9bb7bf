"""Images that cryptsetup made are decrypted, the plaintext is compared, and the rate is measured.

``make demo`` runs it after ``kdumpkey demo``. Every command is run as it is shown; the exit code says whether
the plaintext was right.
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
    """Run the commands; 0 if all plaintexts were right."""
    expected = (IMAGES / "SHA256SUMS").read_text(encoding="ascii").split()[0]
    with tempfile.TemporaryDirectory(prefix="kdumpkey-demo-") as folder:
        os.chdir(folder)
        Path("passphrase").write_bytes(PASSPHRASE)
        right = True
        for version in ("luks2", "luks1"):
            Path("disk.img").write_bytes(lzma.decompress((IMAGES / f"{version}.img.xz").read_bytes()))
            print(f"A {version.upper()} image that cryptsetup made, decrypted without root:")
            run("kdumpkey unlock disk.img --to plain.txt --force --key-file passphrase")
            found = hashlib.sha256(Path("plain.txt").read_bytes()).hexdigest()
            right &= found == expected
            print("The plaintext is right.\n" if found == expected else "The plaintext is WRONG.\n")
        show_speed()
    return 0 if right else 1


def show_speed() -> None:
    """Decrypt a GiB from the page cache; most of it is a hole, which decrypts to noise as fast as any."""
    print("The same image, grown to 1 GiB and decrypted from memory:")
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
    print(f"{size / 1e9:.2f} GB in {seconds:.2f} s, from start to end: {rate:.1f} GB/s")


def run(command: str) -> None:
    """Print a command and run it."""
    print(f"$ {command}", flush=True)
    command, _, output = command.partition(" > ")
    words = shlex.split(command)
    if words[0] == "kdumpkey":
        words[:1] = [sys.executable, "-m", "kdumpkey"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL if output else None)
    print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
