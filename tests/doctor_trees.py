"""The prepared machines, with the doctor's exit code: 0 a dump would be written, 1 none, 10 cannot tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import roots
from doctor_field_trees import BOOTED, FIELD, LINKED, OTHERS, SHIPPED, TESTS
from roots import (
    CONFIGFS,
    CONTENTS,
    DEBIAN,
    DESCRIPTION,
    FEDORA,
    LINK,
    OTHER,
    OURS,
    RECORD,
    UUID,
    Tree,
    crypt,
    initramfs,
    key,
    loaded,
    logical,
    tools_initramfs,
    without,
)

F: Final[dict[str, Any]] = roots.fedora()
R: Final[dict[str, Any]] = roots.rhel()
D: Final[dict[str, Any]] = roots.debian()
ROOT_MOUNT: Final = "/dev/mapper/root / ext4 rw 0 0\n"
NO_RECORD: Final[Tree] = {RECORD: None}
NO_IMAGE: Final[Tree] = {RECORD: None, "sys/kernel/kexec_crash_loaded": "0\n"}
NO_INTERFACE: Final[Tree] = {f"{CONFIGFS}/count": None, f"{CONFIGFS}/reuse": None}
KDUMP_IMAGE: Final = f"boot/initramfs-{FEDORA}kdump.img"
DEBIAN_IMAGE: Final = f"var/lib/kdump/initrd.img-{DEBIAN}"
UNIT: Final = "usr/lib/systemd/system/kdump.service"
FUNCTIONS: Final = "usr/lib/cryptsetup/functions"
CONFIG: Final = f"boot/config-{FEDORA}"
SECOND: Final = OTHER.replace("1111", "aaaa")

LAYOUTS: Final[dict[str, tuple[Tree, int]]] = {
    "fedora": (F, 0),
    "rhel, LVM on LUKS": (R, 0),
    "debian": (D, 0),
    "fedora, LUKS on LVM": (
        {**without(F, "sys/block/dm-0"), **crypt(0, "root", "dm-1"), **logical(1, "vg-lv", "vda3")}
        | {"dev/vda3": None, "dev/dm-1": roots.device(), RECORD: F[RECORD].replace("/dev/vda3", "/dev/dm-1")},
        0,
    ),
    "fedora, LUKS on a partition of an md": (
        {**without(F, "sys/block/dm-0"), **crypt(0, "root", "md0p1"), "sys/block/md0/md0p1/partition": "1\n"}
        | {"sys/block/md0/slaves/vda3/dev": "", "sys/block/md0/slaves/vdb3/dev": ""}
        | {"sys/block/vdb/vdb3/partition": "3\n", "dev/vda3": None, "dev/md0p1": roots.device()}
        | {RECORD: F[RECORD].replace("/dev/vda3", "/dev/md0p1")},
        0,
    ),
    "fedora, authenticated LUKS": (
        {**without(F, "sys/block/dm-0"), **crypt(0, "root", "dm-1"), "dev/dm-1": bytes(1 << 20)}
        | {"sys/block/dm-1/dm/name": "root_dif\n", "sys/block/dm-1/slaves/vda3/dev": "0:0\n"}
        | {"sys/block/dm-1/dm/uuid": f"CRYPT-SUBDEV-{UUID.replace('-', '')}-root_dif\n"},
        0,
    ),
    "fedora, bcache on LUKS": (
        {**F, "sys/block/bcache0/slaves/dm-0/dev": "", "dev/bcache0": ""}
        | {"proc/mounts": "/dev/bcache0 / ext4 rw 0 0\n"},
        0,
    ),
    "fedora, btrfs on two LUKS devices, one key": (
        {**F, **crypt(1, "second", "vdb3", SECOND), "sys/block/vdb/vdb3/partition": "3\n"}
        | {f"sys/fs/btrfs/{UUID}/devices/{name}/dev": "" for name in ("dm-0", "dm-1")}
        | {"proc/mounts": "/dev/mapper/root / btrfs rw,subvol=/root 0 0\n"},
        1,
    ),
    "fedora, by mountinfo": (
        {**F, "sys/dev/block/253:0": Path("../../block/dm-0"), "proc/mounts": None}
        | {"proc/self/mountinfo": "26 1 253:0 / / rw shared:1 - ext4 /dev/root rw\n"},
        0,
    ),
    "fedora, target by dracut_args": (
        {**F, "etc/kdump.conf": 'dracut_args --mount "/dev/mapper/root /mnt ext4 defaults"\n'},
        0,
    ),
    "fedora, target by dracut_args with an equals sign": (
        {**F, "etc/kdump.conf": 'dracut_args --omit "cifs" --mount="/dev/mapper/root /mnt ext4 defaults"\n'},
        0,
    ),
    "fedora, target on another machine by dracut_args": (
        {**F, "etc/kdump.conf": 'dracut_args --mount "dumps.example:/x /mnt nfs4 defaults"\n'},
        0,
    ),
    "fedora, target by the label of a logical volume": (
        {**R, "etc/kdump.conf": "xfs LABEL=dump disk\n"}
        | {"dev/disk/by-label/dump\\x20disk": Path("../../dm-1"), "dev/dm-1": ""},
        0,
    ),
    "fedora, target not open, known by crypttab": (
        {**F, "etc/kdump.conf": "ext4 /dev/mapper/crash\n"}
        | {"etc/crypttab": f"crash UUID={UUID} none luks,{LINK}\n"}
        | {f"dev/disk/by-uuid/{UUID}": Path("../../vda3"), "sys/class/block/vda3/dev": ""},
        0,
    ),
    "fedora, dump by ssh": ({**F, "etc/kdump.conf": "ssh kdump@dumps.example\n"}, 0),
    "fedora, dump by nfs": ({**F, "etc/kdump.conf": "nfs [2001:db8::1]:/dumps\n"}, 0),
    "fedora, dump to a plain disk": ({**F, "sys/block/dm-0/dm/uuid": "LVM-x\n"}, 0),
    "debian, dump by ssh: root is still to be opened": (
        {**D, "etc/default/kdump-tools": 'SSH="kdump@dumps.example"\n', DEBIAN_IMAGE: tools_initramfs()},
        1,
    ),
    "debian, plain root, dumps on LUKS": (
        {**D, **crypt(1, "dumps", "vda3"), "sys/block/dm-0/dm/uuid": "LVM-x\n"}
        | {"proc/mounts": f"{ROOT_MOUNT}/dev/mapper/dumps /var/crash ext4 rw 0 0\n"},
        0,
    ),
}

TARGET: Final[dict[str, tuple[Tree, int]]] = {
    "target not there": ({**F, "etc/kdump.conf": "ext4 UUID=1234\n"}, 10),
    "two targets": ({**F, "etc/kdump.conf": "ext4 /dev/mapper/root\nssh kdump@dumps.example\n"}, 1),
    "no kdump configuration": ({**F, "etc/kdump.conf": None}, 10),
    "no sysfs": (without(F, "sys/"), 10),
    "target on a loop device": (
        {**F, "sys/block/loop0/loop/backing_file": "/srv/dumps\n", "dev/loop0": ""}
        | {"proc/mounts": "/dev/loop0 / ext4 rw 0 0\n"},
        10,
    ),
    "target on tmpfs": ({**F, "proc/mounts": f"{ROOT_MOUNT}tmpfs /var/crash tmpfs rw 0 0\n"}, 10),
    "debian, path by the shell": ({**D, "etc/default/kdump-tools": "KDUMP_COREDIR=$HOME/crash\n"}, 10),
    "debian, kdump off": ({**D, "etc/default/kdump-tools": "USE_KDUMP=0\n"}, 0),
    "header not there": ({**F, "dev/vda3": None}, 10),
    "header destroyed": ({**F, "dev/vda3": bytes(1 << 20)}, 1),
    "self-encrypting": (
        {**F, "sys/block/dm-0/dm/uuid": f"CRYPT-LUKS2-OPAL-{UUID.replace('-', '')}-root\n"},
        10,
    ),
}

KERNEL: Final[dict[str, tuple[Tree, int]]] = {
    "kernel without the option": (
        {**F, **NO_RECORD, **NO_INTERFACE, CONFIG: "CONFIG_CONFIGFS_FS=y\nCONFIG_DM_CRYPT=m\n"},
        1,
    ),
    "configfs not mounted, image loaded before": ({**F, **NO_INTERFACE, "proc/mounts": ROOT_MOUNT}, 0),
    "configfs not mounted": ({**F, **NO_IMAGE, **NO_INTERFACE, "proc/mounts": ROOT_MOUNT}, 1),
    "interface unknown": ({**F, **NO_RECORD, **NO_INTERFACE, "proc/mounts": ROOT_MOUNT, CONFIG: None}, 10),
    "architecture without hand-over": (
        {**F, **NO_RECORD, **NO_INTERFACE, "proc/sys/kernel/arch": "s390x\n"},
        1,
    ),
    "arm64 before it hands over": ({**F, "proc/sys/kernel/arch": "aarch64\n"}, 10),
    "arm64": (
        {**F, "proc/sys/kernel/arch": "aarch64\n", "proc/sys/kernel/osrelease": "7.2.0\n"}
        | {"boot/config-7.2.0": F[CONFIG]},
        0,
    ),
    "item without description": (
        {**F, **NO_IMAGE, f"{CONFIGFS}/one/description": "(null)\n", f"{CONFIGFS}/reuse": "1\n"},
        1,
    ),
    "item of a key that is gone, image loaded before": (
        {**F, f"{CONFIGFS}/kdumpkey-left/description": "kdump-cryptsetup:vk-left\n"},
        0,
    ),
    "item of a key that is gone": (
        {**F, **NO_IMAGE, f"{CONFIGFS}/kdumpkey-left/description": "kdump-cryptsetup:vk-left\n"}
        | {f"{CONFIGFS}/kdumpkey-there/description": f"{DESCRIPTION}\n"},
        1,
    ),
    "129 items": (
        {**F, **NO_IMAGE, **{f"{CONFIGFS}/{number:03}/description": "a:b\n" for number in range(129)}},
        1,
    ),
    "fadump": ({**F, "sys/kernel/fadump_enabled": "1\n"}, 10),
    "no kexec": (
        {**F, "sys/kernel/kexec_crash_size": None, "sys/kernel/kexec_crash_loaded": None},
        1,
    ),
    "nothing reserved": ({**F, "sys/kernel/kexec_crash_size": "0\n"}, 1),
    "debian, nothing reserved": ({**D, "sys/kernel/kexec_crash_size": "0\n"}, 1),
    "less reserved than estimated": ({**F, "sys/kernel/kexec_crash_size": f"{96 << 20}\n"}, 10),
    "no image, and none may be loaded": (
        {**F, **NO_IMAGE, "proc/sys/kernel/kexec_load_disabled": "1\n"},
        1,
    ),
    "no more image may be loaded, and one is": ({**F, "proc/sys/kernel/kexec_load_limit_panic": "0\n"}, 0),
    "no image": ({**F, **NO_IMAGE}, 1),
    "image without record": ({**F, **NO_RECORD}, 10),
    "debian, image without record": ({**D, **NO_RECORD}, 10),
    "record of another boot": ({**F, RECORD: loaded(DESCRIPTION, boot="other")}, 10),
    "record that is none": ({**F, RECORD: '{"version": 1}'}, 10),
    "loaded again since": ({**F, RECORD: loaded(DESCRIPTION, loaded_at=0.0), "run/lock/kdump": ""}, 10),
    "image with a key, for a device that has no header to name it by": (
        {**F, "sys/block/dm-0/dm/uuid": "CRYPT-PLAIN-root\n", RECORD: loaded("plain:root", origins=[])},
        10,
    ),
    "image without keys, for such a device": (
        {**F, "sys/block/dm-0/dm/uuid": "CRYPT-PLAIN-root\n", RECORD: loaded(origins=[])},
        1,
    ),
    "image with another key": ({**F, RECORD: loaded("kdump:other")}, 1),
    "loaded from the keyring, on trust": (
        {**F, RECORD: F[RECORD].replace('"checked": true', '"checked": false')},
        0,
    ),
    "loaded by name, of whatever volume key": (
        {**F, RECORD: F[RECORD].replace('"origins"', '"of old"')},
        10,
    ),
    "another volume key since": (
        {**F, RECORD: F[RECORD].replace(roots.stamp_of_key(), "0" * 64)},
        1,
    ),
    "formatted anew since": ({**F, "sys/block/dm-0/dm/uuid": f"CRYPT-LUKS2-{'1' * 32}-root\n"}, 1),
}

KEYS: Final[dict[str, tuple[Tree, int]]] = {
    "key gone, image has it": ({**F, "proc/keys": ""}, 0),
    "key gone, and no record": ({**F, **NO_RECORD, "proc/keys": ""}, 10),
    "key gone, nothing loaded": ({**F, **NO_IMAGE, "proc/keys": ""}, 1),
    "key of another user": ({**F, **NO_IMAGE, "proc/keys": key(uid=1000)}, 1),
    "key expired": ({**F, **NO_IMAGE, "proc/keys": key(timeout="expd")}, 1),
    "key revoked": ({**F, **NO_IMAGE, "proc/keys": key(flags="IR-Q---")}, 1),
    "key of type user": ({**F, **NO_IMAGE, "proc/keys": key("user")}, 1),
    "key for five minutes": ({**F, "proc/keys": key(timeout="5m")}, 0),
    "no list of keys": ({**F, **NO_RECORD, "proc/keys": None}, 10),
    "crypttab without the option, key there": (
        {**F, "etc/crypttab": f"root UUID={UUID} none luks\n"},
        0,
    ),
    "crypttab links elsewhere, key gone": (
        {**F, **NO_IMAGE, "etc/crypttab": f"root UUID={UUID} none {LINK.replace('@u', '@s')}\n"}
        | {"proc/keys": ""},
        1,
    ),
    "crypttab links a user key": (
        {**F, "etc/crypttab": f"root UUID={UUID} none {LINK.replace('%logon:', '')}\n"},
        0,
    ),
    "crypttab by a partition that the tree does not have": (
        {**F, "etc/crypttab": f"root PARTUUID=0a-03 - {LINK}\n"},
        0,
    ),
    "crypttab with noauto": ({**F, "etc/crypttab": f"root UUID={UUID} - noauto,{LINK}\n"}, 0),
    "crypttab with the line commented out": ({**F, "etc/crypttab": f"#root UUID={UUID} - {LINK}\n"}, 0),
    "no crypttab": ({**D, **NO_IMAGE, "etc/crypttab": None, "proc/keys": ""}, 1),
    "cryptsetup 2.6, systemd 252": (
        {**without(D, "usr/lib/x86_64-linux-gnu/"), **NO_IMAGE}
        | {"usr/lib/x86_64-linux-gnu/libcryptsetup.so.12.9.0": ""}
        | {"usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": ""},
        1,
    ),
    "programs not to be found": ({**without(F, "usr/lib64/"), **NO_RECORD}, 10),
    "service with a private keyring": ({**F, **NO_IMAGE, UNIT: "[Service]\nType=oneshot\n"}, 1),
    "service that inherits": ({**F, **NO_RECORD, UNIT: "[Service]\nKeyringMode=inherit\n"}, 10),
    "private keyring, image has the key": ({**F, UNIT: "[Service]\nType=oneshot\n"}, 0),
    "keyring shared in the wrong section": ({**F, **NO_IMAGE, UNIT: "[Unit]\nKeyringMode=shared\n"}, 1),
    "keyring shared, and masked by a drop-in": (
        {**F, **NO_IMAGE, "run/systemd/system/kdump.service.d/x.conf": "[Service]\nKeyringMode=private\n"},
        1,
    ),
    "keyring shared for every service": (
        {
            **F,
            UNIT: "[Service]\n",
            "etc/systemd/system/service.d/k.conf": "[Service]\nKeyringMode = shared\n",
        },
        0,
    ),
    "no service": ({**F, UNIT: None}, 0),
    "service masked": ({**F, "etc/systemd/system/kdump.service": Path("/dev/null")}, 0),
    "service masked by an empty file": ({**F, "etc/systemd/system/kdump.service": ""}, 0),
    "service not enabled": ({**F, "usr/lib/systemd/system/multi-user.target.wants/kdump.service": None}, 0),
    "fedora, private keyring, and a service that arms": (
        {**F, UNIT: "[Service]\n", roots.ARM: D[roots.ARM]}
        | {"etc/systemd/system/multi-user.target.wants/kdumpkey-arm.service": Path(f"/{roots.ARM}")},
        0,
    ),
    "debian, root opened by cryptsetup-initramfs": ({**D, FUNCTIONS: "crypttab_parse_options() {\n"}, 0),
    "debian, dumps opened by systemd": (
        {**D, **crypt(1, "dumps", "vda3"), "sys/block/dm-0/dm/uuid": "LVM-x\n"}
        | {"proc/mounts": f"{ROOT_MOUNT}/dev/mapper/dumps /var/crash ext4 rw 0 0\n"}
        | {FUNCTIONS: "crypttab_parse_options() {\n"},
        0,
    ),
    "debian, service without keys": ({**D, roots.ARM: None}, 0),
}

INITRAMFS: Final[dict[str, tuple[Tree, int]]] = {
    "no kdump initramfs": ({**F, **NO_IMAGE, KDUMP_IMAGE: None}, 1),
    "no kdump initramfs, something loaded": ({**F, **NO_RECORD, KDUMP_IMAGE: None}, 10),
    "the loaded initramfs is gone": ({**F, KDUMP_IMAGE: None}, 10),
    "the loaded initramfs was changed": ({**F, RECORD: F[RECORD].replace(roots.STAMP, "1:1")}, 10),
    "initramfs too large for a root in tmpfs": (
        {**F, RECORD: F[RECORD].replace("root=/dev/mapper/root ro", "nr_cpus=1")}
        | {KDUMP_IMAGE: initramfs(*CONTENTS, filler=120 << 20)},
        1,
    ),
    "initramfs too large for a root in tmpfs, unless this kernel gives it more": (
        {**F, RECORD: F[RECORD].replace("root=/dev/mapper/root ro", "initramfs_options=size=90%")}
        | {KDUMP_IMAGE: initramfs(*CONTENTS, filler=120 << 20)},
        10,
    ),
    "no kdump initramfs, nothing in /boot": ({**without(F, "boot/")}, 10),
    "initramfs without hook, cryptsetup, module": ({**F, KDUMP_IMAGE: initramfs(hook="")}, 1),
    "initramfs of another kind": ({**F, KDUMP_IMAGE: roots.packed({"init": b"#!/bin/sh\n"})}, 10),
    "initramfs for another device": ({**F, KDUMP_IMAGE: initramfs(*CONTENTS, uuid=OTHER)}, 1),
    "initramfs for another device, which asks for this one's passphrase": (
        {**F, KDUMP_IMAGE: initramfs(*CONTENTS, uuid=OTHER, more={"etc/crypttab": UUID.encode()})},
        1,
    ),
    "initramfs with cryptsetup 2.6": (
        {**F, KDUMP_IMAGE: initramfs(*CONTENTS, "usr/lib64/libcryptsetup.so.12.9.0")},
        1,
    ),
    "debian, initramfs for another device": ({**D, DEBIAN_IMAGE: tools_initramfs(*OURS, uuid=OTHER)}, 1),
    "fedora, initramfs without hook, tools that could": (
        {**F, KDUMP_IMAGE: initramfs(*CONTENTS, hook="")}
        | {"usr/lib/dracut/modules.d/99kdumpbase/kexec-crypt-setup.sh": ""},
        1,
    ),
    "debian, initramfs without hook": (
        {**D, DEBIAN_IMAGE: tools_initramfs("sbin/cryptsetup", *CONTENTS[1:], hook=b"")},
        1,
    ),
    "debian, initramfs without dmsetup": ({**D, DEBIAN_IMAGE: tools_initramfs(*OURS[:-1])}, 1),
    "debian, initramfs without configfs": ({**D, DEBIAN_IMAGE: tools_initramfs(*OURS[:2], OURS[-1])}, 1),
    "initramfs in zstd": ({**F, KDUMP_IMAGE: b"\x28\xb5\x2f\xfd" + bytes(64)}, 10),
    "initramfs cut off": ({**F, KDUMP_IMAGE: initramfs(*CONTENTS)[:230]}, 10),
    "initramfs that is text": ({**F, KDUMP_IMAGE: b"hello\n"}, 10),
    "initramfs with junk behind it": ({**F, KDUMP_IMAGE: initramfs(hook="") + b"junk"}, 10),
}

TREES: Final = (
    LAYOUTS | TARGET | KERNEL | KEYS | INITRAMFS | SHIPPED | LINKED | TESTS | BOOTED | OTHERS | FIELD
)
