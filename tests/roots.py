"""Root trees of machines for the doctor: a sound one of each layout, and what to change to break it."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Final

IMAGE: Final = Path(__file__).parent / "images" / "luks2.img.xz"
UUID: Final = "b37125e4-9897-4a30-a4a5-25f69a1a7c0f"
DESCRIPTION: Final = f"kdump-cryptsetup:vk-{UUID}"
BOOT: Final = "0d9b5f5e-8f2c-4a7e-a4c1-5a6f9d1c2b3a"
LINK: Final = f"link-volume-key=@u::%logon:{DESCRIPTION}"
FEDORA: Final = "6.17.4-200.fc42.x86_64"
DEBIAN: Final = "6.17.8+deb14-amd64"
CONFIGFS: Final = "sys/kernel/config/crash_dm_crypt_keys"
MOUNTS: Final = "configfs /sys/kernel/config configfs rw 0 0\n"
Content = str | bytes | None
Tree = dict[str, Content]


def cpio(files: Mapping[str, bytes]) -> bytes:
    """An archive in the kernel's "newc" form."""
    made = b""
    for name, content in [*files.items(), ("TRAILER!!!", b"")]:
        word = name.encode() + b"\0"
        sizes = [0, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(word), 0]
        header = b"070701" + b"".join(b"%08X" % size for size in sizes)
        for part in (header + word, content):
            made += part + bytes(-len(part) % 4)
    return made


def initramfs(
    *names: str, hook: bytes = b"echo 1 > /sys/kernel/config/crash_dm_crypt_keys/restore\n"
) -> bytes:
    """An initramfs: early microcode, then what was asked for and a hook, compressed."""
    files = {"usr/lib/hook.sh": hook} | dict.fromkeys(names, b"\x7fELF")
    return cpio({"kernel/x86/microcode/AuthenticAMD.bin": b"m"}) + gzip.compress(cpio(files), mtime=0)


CONTENTS: Final = (
    "usr/sbin/cryptsetup",
    "usr/lib/modules/x/kernel/drivers/md/dm-crypt.ko.xz",
    "usr/lib/modules/x/kernel/fs/configfs/configfs.ko.xz",
)


def key(kind: str = "logon", timeout: str = "perm", flags: str = "I--Q---", size: str = ": 64") -> str:
    """/proc/keys with the device's key in it."""
    head = "0a1b2c3d I--Q---     4 perm 1f3f0000     0 65534 keyring   _uid.0: 1\n"
    return f"{head}06a5b3c4 {flags}     1 {timeout} 3f010000     0     0 {kind:9} {DESCRIPTION}{size}\n"


def loaded(*descriptions: str, boot: str = BOOT) -> str:
    """The record of a load."""
    return json.dumps(
        {"version": 1, "boot_id": boot, "loaded_at": 1700000000.0, "descriptions": list(descriptions)}
    )


def _common(release: str) -> Tree:
    return {
        "proc/sys/kernel/osrelease": f"{release}\n",
        "proc/sys/kernel/arch": "x86_64\n",
        "proc/sys/kernel/random/boot_id": f"{BOOT}\n",
        "proc/meminfo": "MemTotal:       16316412 kB\n",
        "proc/modules": "dm_crypt 65536 1 - Live 0x0\n",
        "proc/mounts": f"/dev/mapper/root / ext4 rw 0 0\n{MOUNTS}",
        "proc/keys": key(),
        f"{CONFIGFS}/count": "0\n",
        f"{CONFIGFS}/reuse": "0\n",
        "sys/kernel/kexec_crash_size": f"{256 << 20}\n",
        "sys/kernel/kexec_crash_loaded": "1\n",
        "sys/block/dm-0/dm/name": "root\n",
        "sys/block/dm-0/dm/uuid": f"CRYPT-LUKS2-{UUID.replace('-', '')}-root\n",
        "sys/block/dm-0/slaves/vda3/partition": "3\n",
        "sys/block/dm-0/dev": "253:0\n",
        "run/kdumpkey/loaded.json": loaded(DESCRIPTION),
        "etc/crypttab": f"root UUID={UUID} none luks,{LINK}\n",
    }


def fedora() -> Tree:
    """Fedora, with everything as it should be."""
    return _common(FEDORA) | {
        "etc/kdump.conf": "# where\npath /var/crash\ncore_collector makedumpfile -l\n",
        "usr/lib/systemd/system/kdump.service": "[Service]\nType=oneshot\nKeyringMode=shared\n",
        "usr/lib64/libcryptsetup.so.12.11.0": "",
        "usr/lib64/systemd/libsystemd-shared-257.10-1.fc42.so": "",
        f"boot/config-{FEDORA}": "CONFIG_CRASH_DM_CRYPT=y\nCONFIG_CONFIGFS_FS=y\nCONFIG_DM_CRYPT=m\n",
        f"boot/initramfs-{FEDORA}kdump.img": initramfs(*CONTENTS[:2]),
    }


def rhel() -> Tree:
    """RHEL 10: the target is a filesystem on LVM on LUKS, named by the file."""
    release = "6.12.0-124.el10.x86_64"
    tree = {path.replace(FEDORA, release): content for path, content in fedora().items()}
    return tree | {
        "proc/sys/kernel/osrelease": release,
        "dev/vda3": lzma.decompress(IMAGE.read_bytes()),
        "etc/kdump.conf": "xfs /dev/mapper/vg-crash\npath /\n",
        "sys/block/dm-1/dm/name": "vg-crash\n",
        "sys/block/dm-1/dm/uuid": "LVM-abcdefgh\n",
        "sys/block/dm-1/slaves/dm-0/dev": "253:0\n",
        "usr/lib64/systemd/libsystemd-shared-257.10-1.fc42.so": None,
        "usr/lib64/systemd/libsystemd-shared-257-9.el10.so": "",
    }


def debian() -> Tree:
    """Debian with kdump-tools, everything as it should be."""
    return _common(DEBIAN) | {
        "etc/default/kdump-tools": 'USE_KDUMP=1\nKDUMP_COREDIR="/var/crash"\n',
        "usr/lib/systemd/system/kdump-tools.service": "[Service]\nType=oneshot\n",
        "etc/systemd/system/kdump-tools.service.d/keyring.conf": "[Service]\nKeyringMode=shared\n",
        "usr/lib/x86_64-linux-gnu/libcryptsetup.so.12.11.0": "",
        "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-259.so": "",
        f"boot/config-{DEBIAN}": "CONFIG_CRASH_DM_CRYPT=y\nCONFIG_CONFIGFS_FS=m\nCONFIG_DM_CRYPT=m\n",
        f"var/lib/kdump/initrd.img-{DEBIAN}": initramfs(*CONTENTS),
    }


def build(root: Path, tree: Tree) -> Path:
    """Write a tree; a content of None is a file that is not there."""
    for name, content in tree.items():
        if content is None:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root
