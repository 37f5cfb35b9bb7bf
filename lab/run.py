"""The lab: crash a real kernel under QEMU, and see the kdump kernel read a LUKS disk by the key handed over.

Usage: run.py BZIMAGE [MEMORY-TO-RESERVE …], for instance ``run.py bzImage 256M 160M``. No KVM is needed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PASSPHRASE = b"lab"
PLAIN = 4 << 20  # bytes
LIMIT = 240  # seconds for one scenario


def prepare(folder: Path, kernel: Path) -> str:
    """Make the disk, the initramfs and the payload; the plaintext's digest."""
    plain = bytes(range(256)) * (PLAIN // 256)
    (folder / "plain").write_bytes(plain)
    (folder / "pass").write_bytes(PASSPHRASE)
    disk = folder / "disk.img"
    with disk.open("wb") as file:
        file.truncate((16 << 20) + PLAIN)
    kdumpkey = [sys.executable, "-m", "kdumpkey"]
    cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    key = ["--key-file", folder / "pass"]
    subprocess.run([*kdumpkey, "luksFormat", "-q", "--type", "luks2", *cheap, *key, disk], check=True)
    subprocess.run([*kdumpkey, "encrypt", *key, folder / "plain", disk], check=True)
    subprocess.run([sys.executable, HERE / "initramfs.py", folder / "initramfs.gz"], check=True)
    shutil.copy(kernel, folder / "bzImage")
    with tarfile.open(folder / "payload.tar", "w") as tar:
        for name in ("bzImage", "initramfs.gz", "pass"):
            tar.add(folder / name, name)
    return hashlib.sha256(plain).hexdigest()


def crash(folder: Path, reserved: str) -> str:
    """Boot, arm, crash, restore; what the console said."""
    command = [
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=multi",
        "-machine",
        "q35",
        "-cpu",
        "max",
        "-m",
        "1536",
    ]
    command += [
        "-smp",
        "2",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-monitor",
        "none",
        "-no-reboot",
        "-nic",
        "none",
    ]
    command += ["-device", "virtio-rng-pci", "-kernel", str(folder / "bzImage")]
    command += ["-initrd", str(folder / "initramfs.gz")]
    for name, writable in (("disk.img", "off"), ("payload.tar", "on")):
        command += ["-drive", f"file={folder / name},format=raw,if=virtio,readonly={writable}"]
    command += ["-append", f"console=ttyS0 nokaslr panic=10 rootfstype=ramfs crashkernel={reserved}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )
        output = done.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    return output.decode("utf-8", "replace").replace("\r", "")


def failures(console: str, digest: str) -> list[str]:
    """What the console should have said and did not."""
    wanted = (
        "LAB: arm: 0",
        "LAB: count: 0",
        "by the record of its load",
        "LAB: crash",
        "LAB: kdump kernel",
        "LAB: restore before: 0",
        "LAB: unlock: 0",
        f"LAB: plain: {digest}",
        "LAB: end",
    )
    return [line for line in wanted if line not in console]


def main(kernel: str, *reserved: str) -> int:
    """Run the scenario at each size; how many failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="kdumpkey-lab-") as name:
        folder = Path(name)
        digest = prepare(folder, Path(kernel))
        for size in reserved or ("256M",):
            began = time.monotonic()
            console = crash(folder, size)
            took = time.monotonic() - began
            missing = failures(console, digest)
            failed += bool(missing)
            print(f"key reuse at {size}: {'FAILED' if missing else 'passed'} in {took:.0f} s")
            for line in missing:
                print(f"  not seen: {line}")
            if missing:
                print(console)
    print(f"{len(reserved or ('256M',)) - failed} passed, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
