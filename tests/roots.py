"""Root trees of machines for the doctor: sound ones of each layout, and what to change to break them."""

from __future__ import annotations

import functools
import gzip
import json
import lzma
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kdumpkey.kdump.freshness import fingerprint
from kdumpkey.kernel.linux.kernel import file_stamp
from kdumpkey.luks import read_header
from kdumpkey.storage.device import BytesReader

IMAGE: Final = Path(__file__).parent / "images" / "luks2.img.xz"
UUID: Final = "b37125e4-9897-4a30-a4a5-25f69a1a7c0f"
OTHER: Final = "11111111-2222-3333-4444-555555555555"
DESCRIPTION: Final = f"kdump-cryptsetup:vk-{UUID}"
BOOT: Final = "0d9b5f5e-8f2c-4a7e-a4c1-5a6f9d1c2b3a"
LINK: Final = f"link-volume-key=@u::%logon:{DESCRIPTION}"
FEDORA: Final = "6.17.4-200.fc42.x86_64"
RHEL: Final = "6.12.0-124.el10.x86_64"
DEBIAN: Final = "6.17.8+deb14-amd64"
CONFIGFS: Final = "sys/kernel/config/crash_dm_crypt_keys"
MOUNTS: Final = "configfs /sys/kernel/config configfs rw 0 0\n"
ARM: Final = "etc/systemd/system/kdumpkey-arm.service"
STAMP: Final = "the stamp of the file that was loaded"
RECORD: Final = "run/kdumpkey/loaded.json"
LOADED_AT: Final = 1_700_000_000
MADE_AT: Final = LOADED_AT - 86_400  # every file of a tree: before the load
_HEADER: Final = 32 << 10  # bytes: both copies of it
Content = str | bytes | Path | None  # a Path is what a link points to
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
    *names: str,
    hook: str = "kexec-crypt-setup.sh",
    uuid: str = UUID,
    filler: int = 0,
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    """dracut's, as kdump-utils have it made: early microcode, then what was asked for, compressed."""
    hooks = "var/lib/dracut/hooks/initqueue"
    files = {
        # It names the directory in every kdump initramfs, and restores nothing.
        "usr/lib/kdump-lib-initramfs.sh": b"LUKS_CONFIGFS=/sys/kernel/config/crash_dm_crypt_keys\n",
        f"{hooks}/20-{hook}": b"echo 1 > /sys/kernel/config/crash_dm_crypt_keys/restore\n",
        "etc/udev/rules.d/70-luks-kdump.rules": f'ENV{{ID_FS_UUID}}=="{uuid}", RUN+="initqueue"\n'.encode(),
    }
    if not hook:
        files = {"usr/lib/dracut/dracut-106": b"", **dict(list(files.items())[:1])}
    return packed(files | dict.fromkeys(names, b"\x7fELF") | {"filler": bytes(filler)} | dict(more or {}))


def tools_initramfs(*names: str, hook: bytes = b"kdumpkey unlock --from-kdump\n", uuid: str = UUID) -> bytes:
    """initramfs-tools', with kdumpkey's hook."""
    files = {
        "scripts/functions": b"",
        "scripts/local-top/kdumpkey": hook,
        "etc/kdumpkey/devices": f"{uuid} root\n".encode(),
        # In the program itself, both words prove nothing.
        "usr/lib/python3.13/site-packages/kdumpkey/hook.sh": b"crash_dm_crypt_keys --from-kdump\n",
    }
    return packed(files | dict.fromkeys(names, b"\x7fELF"))


def packed(files: Mapping[str, bytes]) -> bytes:
    """Early microcode, then an archive, compressed."""
    return cpio({"kernel/x86/microcode/AuthenticAMD.bin": b"m"}) + gzip.compress(cpio(files), mtime=0)


def uki(**sections: bytes) -> bytes:
    """A unified kernel image: a PE file, with its sections in a row (the PE format, section table)."""
    table, content, offset = b"", b"", 512
    for name, data in sections.items():
        words = (len(data), 0x1000 + len(content), len(data), offset + len(content))
        table += struct.pack("<8sIIII16x", f".{name}".encode(), *words)
        content += data
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64) + b"PE\0\0"
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, 0, 0)
    return (head + coff + table).ljust(offset, b"\0") + content


CONTENTS: Final = (
    "usr/sbin/cryptsetup",
    "usr/lib/modules/x/kernel/drivers/md/dm-crypt.ko.xz",
    "usr/lib/modules/x/kernel/fs/configfs/configfs.ko.xz",
)
OURS: Final = ("usr/bin/kdumpkey-capture", *CONTENTS[1:], "usr/sbin/dmsetup")


def key(
    kind: str = "logon", timeout: str = "perm", flags: str = "I--Q---", uid: int = 0, name: str = DESCRIPTION
) -> str:
    """/proc/keys with the device's key in it."""
    head = "0a1b2c3d I--Q---     4 perm 1f3f0000     0 65534 keyring   _uid.0: 1\n"
    return f"{head}06a5b3c4 {flags}     1 {timeout} 3f010000 {uid:5} {uid:5} {kind:9} {name}: 64\n"


@functools.cache
def device() -> bytes:
    """A LUKS2 device of `UUID`."""
    whole = lzma.decompress(IMAGE.read_bytes())
    return whole[:_HEADER] + bytes(len(whole) - _HEADER)  # what the keyslots hold, nobody asks for here


@functools.cache
def stamp_of_key() -> str:
    """What a record says of the device's volume key."""
    return fingerprint(next(iter(read_header(BytesReader(device())).digests.values())))


def loaded(*descriptions: str, boot: str = BOOT, **changes: object) -> str:
    """The record of a load."""
    made: dict[str, object] = {
        "version": 1,
        "boot_id": boot,
        "loaded_at": float(LOADED_AT),
        "descriptions": list(descriptions),
        "origins": [
            {
                "description": DESCRIPTION,
                "device": "/dev/vda3",
                "uuid": UUID,
                "fingerprint": stamp_of_key(),
                "header": "",
                "had_keyslots": True,
                "checked": True,
            }
        ],
    }
    return json.dumps(made | changes)


def armed(release: str, initrd: str) -> str:
    """The record of a load by kdumpkey; `build` puts the initramfs's stamp into it."""
    names = {"kernel": f"/boot/vmlinuz-{release}", "initrd": f"/{initrd}", "initrd_stamp": STAMP}
    image = {"command_line": "root=/dev/mapper/root ro", "kernel_stamp": ""} | names
    return loaded(DESCRIPTION, image=image)


def crypt(number: int, name: str, lower: str, uuid: str = UUID) -> Tree:
    """A mapping of LUKS2 in sysfs."""
    dm = f"sys/block/dm-{number}"
    return {
        f"{dm}/dm/name": f"{name}\n",
        f"{dm}/dm/uuid": f"CRYPT-LUKS2-{uuid.replace('-', '')}-{name}\n",
        f"{dm}/slaves/{lower}/dev": "0:0\n",
    }


def logical(number: int, name: str, *lower: str) -> Tree:
    """A logical volume in sysfs."""
    dm = f"sys/block/dm-{number}"
    tree: Tree = {f"{dm}/dm/name": f"{name}\n", f"{dm}/dm/uuid": "LVM-abcdefgh\n"}
    return tree | {f"{dm}/slaves/{each}/dev": "0:0\n" for each in lower}


def without(tree: Tree, prefix: str) -> Tree:
    """A tree less what lies beneath a directory."""
    return {path: content for path, content in tree.items() if not path.startswith(prefix)}


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
        **crypt(0, "root", "vda3"),
        "sys/block/vda/vda3/partition": "3\n",
        "dev/vda3": device(),
        "etc/crypttab": f"# made by the installer\nroot UUID={UUID} none luks,{LINK}\n",
    }


def fedora() -> Tree:
    """Fedora, with everything as it should be."""
    image = f"boot/initramfs-{FEDORA}kdump.img"
    return _common(FEDORA) | {
        RECORD: armed(FEDORA, image),
        "etc/kdump.conf": "# where\npath /var/crash\ncore_collector makedumpfile -l\n",
        "usr/lib/systemd/system/kdump.service": "[Service]\nType=oneshot\nKeyringMode=shared\n",
        "usr/lib/systemd/system/multi-user.target.wants/kdump.service": Path("../kdump.service"),
        "usr/lib64/libcryptsetup.so.12.11.0": "",
        "usr/lib64/systemd/libsystemd-shared-257.10-1.fc42.so": "",
        f"boot/config-{FEDORA}": "CONFIG_CRASH_DM_CRYPT=y\nCONFIG_CONFIGFS_FS=y\nCONFIG_DM_CRYPT=m\n",
        image: initramfs(*CONTENTS[:2]),
    }


def rhel() -> Tree:
    """RHEL 10: the target is a filesystem on LVM on LUKS, named by the file."""
    tree = {path.replace(FEDORA, RHEL): content for path, content in fedora().items()}
    record = armed(RHEL, f"boot/initramfs-{RHEL}kdump.img")
    return (
        tree
        | logical(1, "vg-crash", "dm-0")
        | {
            "proc/sys/kernel/osrelease": RHEL,
            RECORD: record,
            "etc/kdump.conf": "xfs /dev/mapper/vg-crash\npath /\n",
            "usr/lib64/systemd/libsystemd-shared-257.10-1.fc42.so": None,
            "usr/lib64/systemd/libsystemd-shared-257-9.el10.so": "",
        }
    )


def debian() -> Tree:
    """Debian with kdump-tools, and what kdumpkey adds, everything as it should be."""
    image = f"var/lib/kdump/initrd.img-{DEBIAN}"
    return _common(DEBIAN) | {
        "etc/default/kdump-tools": 'USE_KDUMP=1\nKDUMP_COREDIR="/var/crash"  # the default\n',
        "usr/lib/systemd/system/kdump-tools.service": "[Service]\nType=oneshot\n",
        "etc/systemd/system/kdump-tools.service.d/kdumpkey.conf": "[Service]\nKeyringMode=shared\n",
        ARM: "[Service]\nKeyringMode=shared\nExecStart=kdumpkey kdump arm --token-only /dev/vda3\n",
        f"etc/systemd/system/multi-user.target.wants/{ARM.rpartition('/')[2]}": Path(f"/{ARM}"),
        "etc/systemd/system/basic.target.wants/kdump-tools.service": Path(
            "/usr/lib/systemd/system/kdump-tools.service"
        ),
        "usr/lib/x86_64-linux-gnu/libcryptsetup.so.12.11.0": "",
        "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-259.so": "",
        f"boot/config-{DEBIAN}": "CONFIG_CRASH_DM_CRYPT=y\nCONFIG_CONFIGFS_FS=m\nCONFIG_DM_CRYPT=m\n",
        RECORD: armed(DEBIAN, image),
        image: tools_initramfs(*OURS),
    }


def build(root: Path, tree: Tree) -> Path:
    """Write a tree; a content of None is a file that is not there."""
    # The record comes last, when what it is of is there.
    for name, content in sorted(tree.items(), key=lambda item: item[0] == RECORD):
        if content is None:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
            continue
        whole = _stamped(root, content).encode() if isinstance(content, str) else content
        with path.open("wb") as file:
            file.write(whole.rstrip(b"\0"))
            file.truncate(len(whole))  # a device's empty end takes no room
        os.utime(path, (MADE_AT, MADE_AT))
    return root


def _stamped(root: Path, text: str) -> str:
    """A record with its initramfs's stamp."""
    if STAMP not in text:
        return text
    return text.replace(STAMP, file_stamp(root / json.loads(text)["image"]["initrd"].lstrip("/")))
