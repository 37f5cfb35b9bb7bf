"""The scenarios: which disks, how much memory, what the guest runs, and what the host looks at afterwards."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KDUMPKEY = (sys.executable, "-m", "kdumpkey")
PASSPHRASES = {"pass": b"lab", "other": b"another"}
CHEAP = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
COSTLY = ("--pbkdf-memory", "1048576", "--pbkdf-force-iterations", "4")
MIB = 1 << 20
PATTERN = bytes(range(256)) * (4 * MIB // 256)


@dataclass(frozen=True)
class Disk:
    """A disk of a scenario's: `content` is "ext4", "pattern" or "nothing"; the latter is not formatted."""

    content: str
    keyslot: Sequence[str] = CHEAP
    key_file: str = "pass"
    options: Sequence[str] = ()


def nothing_more(_console: str, _disk: Path) -> Sequence[str]:
    """All that was to be seen was on the console."""
    return ()


@dataclass(frozen=True)
class Scenario:
    """One machine's life.

    Attributes:
        name: On the command line and in the report.
        script: The guest's part, in lab/scenarios; it defines `first`, and `kdump` where it crashes.
        disks: /dev/vda, and /dev/vdd and on.
        settings: Shell variables for the script.
        reserved: What is set aside for the kdump kernel.
        memory_mib: Of the machine.
        crashes: Whether the kdump kernel must be seen to run to its end.
        tools: Whether cryptsetup, keyctl and makedumpfile are needed.
        peer: Whether typer programs that do nothing are, to be measured against.
        hook: The number of the disk that what kdump generate makes for initramfs-tools opens in the kdump
            kernel; None: without that hook.
        afterwards: Looks at the console and at /dev/vda's file; what is wrong, if anything.
    """

    name: str
    script: str
    disks: Sequence[Disk] = (Disk("pattern"),)
    settings: Mapping[str, str] = field(default_factory=dict)
    reserved: str = "256M"
    memory_mib: int = 1024
    crashes: bool = True
    tools: bool = True
    peer: bool = False
    hook: int | None = None
    afterwards: Callable[[str, Path], Sequence[str]] = nothing_more


def made(disk: Disk, path: Path, keys: Path) -> str:
    """Make the disk's image file; its UUID, or nothing for a disk without a header."""
    plain = path.with_suffix(".plain")
    if disk.content == "ext4":
        with plain.open("wb") as file:
            file.truncate(160 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", plain], check=True)
    else:
        plain.write_bytes(PATTERN)
    with path.open("wb") as file:
        file.truncate(16 * MIB + plain.stat().st_size)
    uuid = ""
    if disk.content != "nothing":
        key = ("--key-file", str(keys / disk.key_file))
        words = ("luksFormat", "-q", *disk.keyslot, *disk.options, *key, str(path))
        subprocess.run([*KDUMPKEY, *words], check=True)
        subprocess.run([*KDUMPKEY, "encrypt", *key, str(plain), str(path)], check=True)
        uuid = subprocess.run(
            [*KDUMPKEY, "luksUUID", str(path)], check=True, capture_output=True, text=True
        ).stdout.strip()
    plain.unlink()
    return uuid


def vmcore_is_on_disk(console: str, disk: Path) -> list[str]:
    """Decrypt the disk, take the dump out of its file system, and compare it with what was written."""
    said = re.search(r"LAB vmcore ([0-9a-f]{64})", console)
    if said is None:
        return ["the kdump kernel wrote no vmcore"]
    plain, vmcore = disk.with_suffix(".plain"), disk.with_suffix(".vmcore")
    key = ("--key-file", str(disk.parent / "keys/pass"))
    subprocess.run([*KDUMPKEY, "unlock", str(disk), *key, "--to", str(plain)], check=True)
    subprocess.run(["debugfs", "-R", f"dump /vmcore {vmcore}", str(plain)], check=True, capture_output=True)
    content = vmcore.read_bytes() if vmcore.exists() else b""
    wrong = []
    if hashlib.sha256(content).hexdigest() != said[1]:
        wrong.append(f"the disk holds {len(content)} bytes of vmcore, and not those that were written")
    if content[:8] not in (b"KDUMP   ", b"makedump"):
        wrong.append(f"that is no dump: {content[:8]!r}")
    return wrong


EXT4 = (Disk("ext4"),)
# Those that take long come first, so that two at a time end together.
SCENARIOS = (
    Scenario(
        "mapping",
        "mapping.sh",
        (
            Disk("pattern"),
            Disk("pattern", options=("--type", "luks1")),
            Disk("pattern", options=("--sector-size", "512")),
        ),
        crashes=False,
    ),
    Scenario("doctor", "doctor.sh", memory_mib=2048, crashes=False, hook=0),
    Scenario("passphrase", "passphrase.sh", (Disk("pattern", COSTLY),), memory_mib=2048),
    Scenario("killed", "killed.sh"),
    Scenario(
        "flags", "flags.sh", (Disk("pattern"), Disk("pattern", options=("--type", "luks1"))), crashes=False
    ),
    Scenario("reuse", "reuse.sh", EXT4, {"by": "kdumpkey"}, afterwards=vmcore_is_on_disk),
    Scenario("reuse-cryptsetup", "reuse.sh", EXT4, {"by": "cryptsetup"}, afterwards=vmcore_is_on_disk),
    Scenario("smallest", "reuse.sh", EXT4, {"by": "kdumpkey"}, reserved="160M", afterwards=vmcore_is_on_disk),
    Scenario(
        "doctor-good",
        "verdict.sh",
        (*EXT4, Disk("pattern", key_file="other")),
        {"armed": "/dev/vda", "key": "pass", "verdict": "0"},
        hook=0,
        afterwards=vmcore_is_on_disk,
    ),
    Scenario(
        "doctor-other-key",
        "verdict.sh",
        (*EXT4, Disk("pattern", key_file="other")),
        {"armed": "/dev/vdd", "key": "other", "verdict": "1"},
        hook=0,
    ),
    Scenario(
        "doctor-other-disk",
        "verdict.sh",
        (*EXT4, Disk("pattern", key_file="other")),
        {"armed": "/dev/vda", "key": "pass", "verdict": "1"},
        hook=1,
    ),
    Scenario("two", "two.sh", (Disk("pattern"), Disk("pattern", key_file="other"))),
    Scenario("plain", "plain.sh", (Disk("nothing"),)),
    Scenario("many", "many.sh"),
    Scenario("speed", "speed.sh", tools=False, peer=True),
    Scenario("refused", "refused.sh", memory_mib=2048, crashes=False),
    *(
        Scenario(
            f"parity-{life}",
            "parity.sh",
            (Disk("nothing"),),
            {"life": life, "crashes": str(int(crashes))},
            memory_mib=768,
            crashes=crashes,
            tools=False,
        )
        for life, crashes in (
            ("usual", False),
            ("restored", True),
            ("fewer", True),
            ("too-many", True),
            ("without", True),
        )
    ),
)
