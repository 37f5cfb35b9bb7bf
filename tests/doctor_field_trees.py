"""Machines as distributions ship them and set right, and with one thing broken that was met in the field.

Every file is written by this code. What is in it is known from: kdump-utils 63f248c (gen-kdump-sysconfig.sh,
kdumpctl, 98-kexec.rules, kdump-udev-throttler, dracut/99kdumpbase), systemd's sys-kernel-config.mount and
systemd-cryptsetup-generator(8), kdump-config(8) of Debian, and RHEL-97175 for systemd 252 of RHEL 9.8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import roots
from roots import (
    CONFIGFS,
    CONTENTS,
    DESCRIPTION,
    FEDORA,
    LINK,
    OTHER,
    RECORD,
    UUID,
    Tree,
    crypt,
    initramfs,
    key,
    loaded,
    without,
)

F: Final[dict[str, Any]] = roots.fedora()
D: Final[dict[str, Any]] = roots.debian()
NO_IMAGE: Final[Tree] = {RECORD: None, "sys/kernel/kexec_crash_loaded": "0\n"}
SYSCONFIG: Final = "etc/sysconfig/kdump"
TOOLS: Final = "etc/default/kdump-tools"
KDUMP_IMAGE: Final = f"boot/initramfs-{FEDORA}kdump.img"
RHEL9: Final = "5.14.0-687.el9.x86_64"
SYSTEMD: Final = "usr/lib64/systemd/libsystemd-shared-257.10-1.fc42.so"
SYSTEMD_252: Final = "usr/lib64/systemd/libsystemd-shared-252.so"
OPENER: Final = "usr/lib/systemd/systemd-cryptsetup"

# What kdump-utils install on x86_64: gen-kdump-sysconfig.sh, and of the scripts the lines that are read.
SHIPPED_SYSCONFIG: Final = (
    '# Any additional kexec arguments required.\n#   KEXEC_ARGS="--elf32-core-headers"\nKEXEC_ARGS="-s"\n'
    'KDUMP_COMMANDLINE_REMOVE="hugepages quiet"\nKDUMP_IMG="vmlinuz"\nVMCORE_CREATION_NOTIFICATION="yes"\n'
)
KDUMPCTL: Final = '#!/bin/bash\nprepare_luks()\n{\n\tif [[ "$(uname -m)" != "x86_64" ]]; then\n'
THROTTLER: Final = "usr/lib/udev/kdump-udev-throttler"
INVERTED: Final = "\t[[ -f $LUKS_CONFIGFS_REUSE ]] || echo 1 > $LUKS_CONFIGFS_REUSE\n"
# dracut puts systemd into every initramfs of Fedora's and RHEL's, with the unit that mounts configfs.
UNITS: Final = (
    "usr/lib/systemd/systemd",
    "usr/lib/systemd/system/initrd.target",
    "usr/lib/systemd/system/sys-kernel-config.mount",
    "usr/lib/systemd/system/modprobe@.service",
)
UTILS: Final[Tree] = {
    SYSCONFIG: SHIPPED_SYSCONFIG,
    "usr/bin/kdumpctl": KDUMPCTL,
    "usr/lib/dracut/modules.d/99kdumpbase/kexec-crypt-setup.sh": "",
    "usr/lib/udev/rules.d/98-kexec.rules": "",
}
FEDORA_SHIPPED: Final[Tree] = {
    **F,
    **UTILS,
    "etc/os-release": 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=42\n',
    KDUMP_IMAGE: initramfs(*CONTENTS[:2], *UNITS),
    THROTTLER: INVERTED,
}


def renamed(tree: Tree, old: str, new: str) -> Tree:
    """A tree whose kernel has another release."""
    return {
        path.replace(old, new): content.replace(old, new) if isinstance(content, str) else content
        for path, content in tree.items()
    }


RHEL_98: Final[Tree] = {
    **renamed(FEDORA_SHIPPED, FEDORA, RHEL9),
    SYSTEMD: None,
    SYSTEMD_252: "",
    "etc/os-release": None,
    "etc/redhat-release": "Red Hat Enterprise Linux release 9.8 (Plow)\n",
    THROTTLER: None,
}
ARM: Final[Tree] = {
    **renamed(FEDORA_SHIPPED, FEDORA, "7.1.4-300.fc44.aarch64"),
    "proc/sys/kernel/arch": "aarch64\n",
}
ARMING: Final[Tree] = {
    roots.ARM: D[roots.ARM],
    "etc/systemd/system/multi-user.target.wants/kdumpkey-arm.service": Path(f"/{roots.ARM}"),
}
OSTREE: Final[Tree] = {
    **renamed(without(FEDORA_SHIPPED, "boot/"), KDUMP_IMAGE, f"var/lib/kdump/initramfs-{FEDORA}kdump.img"),
    f"usr/lib/modules/{FEDORA}/config": F[f"boot/config-{FEDORA}"],
    f"var/lib/kdump/initramfs-{FEDORA}kdump.img": FEDORA_SHIPPED[KDUMP_IMAGE],
    "run/ostree-booted": "",
    "proc/cmdline": "BOOT_IMAGE=(hd0,gpt3)/ostree/fedora-abc/vmlinuz ostree=/ostree/boot.1/fedora/abc/0\n",
}
NO_SIZE: Final[Tree] = {"sys/kernel/kexec_crash_size": "0\n"}

OPTIONS: Final = f"root=/dev/mapper/root rd.luks.uuid=luks-{UUID} rd.luks.options={UUID}={LINK} quiet\n"
NO_CRYPTTAB: Final[Tree] = {**F, **NO_IMAGE, "etc/crypttab": None}
# The names of the kernel's own documentation: kdump.rst, "Write the dump file to encrypted disk volume".
DOC_NAMES: Final[Tree] = {
    **F,
    **NO_IMAGE,
    "etc/crypttab": f"root UUID={UUID} none luks,link-volume-key=@u::%logon:cryptsetup:mykey\n",
    "proc/keys": key(name="cryptsetup:mykey"),
    f"{CONFIGFS}/count": "1\n",
    f"{CONFIGFS}/mykey/description": "cryptsetup:mykey\n",
}
DOC_ORIGINS: Final = [
    {"description": "cryptsetup:mykey", "device": "/dev/vda3", "uuid": UUID, "header": ""}
    | {"fingerprint": roots.stamp_of_key(), "had_keyslots": True, "checked": True}
]
TWO: Final[Tree] = {
    **crypt(1, "second", "vdb3", OTHER),
    "sys/block/vdb/vdb3/partition": "3\n",
    f"sys/fs/btrfs/{UUID}/devices/dm-0/dev": "",
    f"sys/fs/btrfs/{UUID}/devices/dm-1/dev": "",
    "proc/mounts": f"/dev/mapper/root / btrfs rw,subvol=/root 0 0\n{roots.MOUNTS}",
}

MACHINE: Final = "0123456789abcdef0123456789abcdef"
UKI: Final = f"boot/efi/EFI/Linux/{MACHINE}-{FEDORA}.efi"
INNER: Final = initramfs(*CONTENTS[:2], *UNITS)
# kdumpctl makes an initramfs of its own beside a unified kernel image, in /var/lib/kdump.
WITH_UKI: Final[Tree] = {
    **renamed(without(FEDORA_SHIPPED, "boot/"), KDUMP_IMAGE, f"var/lib/kdump/initramfs-{FEDORA}kdump.img"),
    f"var/lib/kdump/initramfs-{FEDORA}kdump.img": FEDORA_SHIPPED[KDUMP_IMAGE],
    f"usr/lib/modules/{FEDORA}/config": F[f"boot/config-{FEDORA}"],
    UKI: roots.uki(
        linux=b"kernel", initrd=INNER, cmdline=f"root=/dev/mapper/root {OPTIONS}".encode() + b"\0"
    ),
    "etc/machine-id": f"{MACHINE}\n",
    THROTTLER: None,
}
ITS_OWN: Final[Tree] = {
    RECORD: roots.armed(FEDORA, UKI).replace(f'"kernel": "/boot/vmlinuz-{FEDORA}"', f'"kernel": "/{UKI}"')
}
# openSUSE's kdump: /etc/sysconfig/kdump, and kernel and initrd in /var/lib/kdump, made by mkdumprd.
SUSE_RELEASE: Final = "7.0.2-1-default"
SUSE: Final[Tree] = {
    **renamed(F, FEDORA, SUSE_RELEASE),
    f"boot/initramfs-{SUSE_RELEASE}kdump.img": None,
    "etc/kdump.conf": None,
    "etc/os-release": 'NAME="openSUSE Tumbleweed"\nID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
    SYSCONFIG: 'KDUMP_SAVEDIR="/var/crash"\nKEXEC_OPTIONS=""\nKDUMP_IMMEDIATE_REBOOT="yes"\n',
    "usr/lib/systemd/system/kdump.service": "[Service]\nType=oneshot\nExecStart=/usr/lib/kdump/load.sh\n",
    "etc/systemd/system/kdump.service.d/kdumpkey.conf": "[Service]\nKeyringMode=shared\n",
    RECORD: roots.armed(SUSE_RELEASE, "var/lib/kdump/initrd"),
    "var/lib/kdump/initrd": FEDORA_SHIPPED[KDUMP_IMAGE],
    **ARMING,
}

SHIPPED: Final[dict[str, tuple[Tree, int]]] = {
    "as shipped: fedora 42": (FEDORA_SHIPPED, 0),
    "as shipped: fedora 42, the kernel does hot-plug": (
        {**FEDORA_SHIPPED, "sys/devices/system/cpu/crash_hotplug": "1\n"}
        | {"sys/devices/system/memory/crash_hotplug": "1\n"},
        0,
    ),
    "as shipped: fedora 42, kdump generate udev": (
        {**FEDORA_SHIPPED, "etc/udev/rules.d/98-kexec.rules": ""},
        0,
    ),
    "as shipped: fedora, linux 7.2, with the new names of sysfs": (
        {**without(FEDORA_SHIPPED, "sys/kernel/kexec"), THROTTLER: None}
        | {"sys/kernel/kexec/crash_size": f"{256 << 20}\n", "sys/kernel/kexec/crash_loaded": "1\n"},
        0,
    ),
    "as shipped: rhel 9.8": (RHEL_98, 0),
    "as shipped: rhel 9.8, by systemd's own text": (
        {**RHEL_98, "etc/redhat-release": None, OPENER: "\x7fELF…link-volume-key="},
        0,
    ),
    "as shipped: almalinux 9.8": (
        {**RHEL_98, "etc/redhat-release": None}
        | {"etc/os-release": 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.8"\n'},
        0,
    ),
    "as shipped: rhel 10": (
        {**FEDORA_SHIPPED, THROTTLER: None, "etc/os-release": 'ID="rhel"\nVERSION_ID="10.1"\n'},
        0,
    ),
    "as shipped: debian 14, kdump-tools and kdumpkey": (
        {**D, "etc/os-release": "ID=debian\n", "etc/default/kexec": 'LOAD_KEXEC=true\nKEXEC_ARGS=""\n'},
        0,
    ),
    "as shipped: ubuntu 26.04, kdump-tools and kdumpkey": (
        {**D, "etc/os-release": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="26.04"\n'}
        | {TOOLS: 'USE_KDUMP=1\n#KDUMP_KEXEC_ARGS=""\nKDUMP_COREDIR="/var/crash"\n'},
        0,
    ),
    "as shipped: fedora 44 on arm64, armed by kdumpkey": ({**ARM, **ARMING}, 0),
    "as shipped: fedora 44 on ppc64le, kdump-utils without a gate": (
        {**ARM, "proc/sys/kernel/arch": "ppc64le\n", "usr/bin/kdumpctl": "#!/bin/bash\nprepare_luks()\n"},
        0,
    ),
    "as shipped: fedora coreos": (OSTREE, 0),
    "as shipped: fedora with a unified kernel image": ({**WITH_UKI, "proc/cmdline": None}, 0),
    "as shipped: opensuse tumbleweed and kdumpkey": (SUSE, 0),
    "as shipped: opensuse, settings by the package": (
        {**SUSE, SYSCONFIG: None, "usr/lib/sysconfig/kdump": 'KDUMP_SAVEDIR="file:///var/crash"\n'},
        0,
    ),
    "as shipped: opensuse, dump by nfs": (
        {**SUSE, SYSCONFIG: 'KDUMP_SAVEDIR="nfs://dumps.example/crash"\n'},
        0,
    ),
}

LINKED: Final[dict[str, tuple[Tree, int]]] = {
    "options for the UUID on the command line": ({**F, "etc/crypttab": None, "proc/cmdline": OPTIONS}, 0),
    "options for the UUID, for initrds and what comes after": (
        {**F, "etc/crypttab": None, "proc/cmdline": OPTIONS.replace("rd.luks", "luks")},
        0,
    ),
    "options for the UUID in capitals, named, in quotes": (
        {**F, "etc/crypttab": None}
        | {"proc/cmdline": f'rd.luks.name={UUID}=root "rd.luks.options={UUID.upper()}=discard,{LINK}"\n'},
        0,
    ),
    "options for every UUID on the command line": (
        {**F, "etc/crypttab": None, "proc/cmdline": f"rd.luks.uuid={UUID} rd.luks.options=discard,{LINK}\n"},
        0,
    ),
    "options for the UUID in place of crypttab's": (
        {**F, **NO_IMAGE, "proc/keys": "", "proc/cmdline": f"rd.luks.options={UUID}=discard\n"},
        1,
    ),
    "options for every UUID leave a line of crypttab alone": (
        {**F, "proc/cmdline": "rd.luks.options=discard\n"},
        0,
    ),
    "options for another UUID on the command line": (
        {**NO_CRYPTTAB, "proc/keys": "", "proc/cmdline": f"rd.luks.options={OTHER}={LINK}\n"},
        1,
    ),
    "options on the command line are set again behind": (
        {**NO_CRYPTTAB, "proc/keys": "", "proc/cmdline": f"{OPTIONS.strip()} rd.luks.options={UUID}=luks\n"},
        1,
    ),
    "options of the initrd alone, for a device that is opened later": (
        {**NO_CRYPTTAB, **crypt(1, "dumps", "vda3"), "sys/block/dm-0/dm/uuid": "LVM-x\n", "proc/keys": ""}
        | {"etc/kdump.conf": "ext4 /dev/mapper/dumps\n", "proc/cmdline": OPTIONS},
        1,
    ),
    "crypttab is not read, by the command line": (
        {**F, **NO_IMAGE, "proc/keys": "", "proc/cmdline": "luks.crypttab=no\n"},
        1,
    ),
    "names of the kernel's documentation, not loaded yet": (DOC_NAMES, 0),
    "names of the kernel's documentation, loaded": (
        {**DOC_NAMES, "sys/kernel/kexec_crash_loaded": "1\n"}
        | {
            RECORD: loaded("cryptsetup:mykey", origins=DOC_ORIGINS, image=None).replace(', "image": null', "")
        },
        10,
    ),
    "names of the kernel's documentation, the item has another": (
        {**DOC_NAMES, f"{CONFIGFS}/mykey/description": "cryptsetup:yourkey\n"},
        1,
    ),
    "names of the kernel's documentation, no item": (
        {**DOC_NAMES, f"{CONFIGFS}/mykey/description": None, f"{CONFIGFS}/count": "0\n"},
        1,
    ),
    "names of the kernel's documentation, the key has expired": (
        {**DOC_NAMES, "proc/keys": key(timeout="expd", name="cryptsetup:mykey")},
        1,
    ),
    "an item made by hand, and its key": (
        {**DOC_NAMES, "etc/crypttab": f"root UUID={UUID} none luks\n"},
        0,
    ),
    "one item made by hand, for two devices": ({**DOC_NAMES, **TWO, "etc/crypttab": None}, 1),
    "the tools' item was left, and nothing is loaded": (
        {**F, **NO_IMAGE, f"{CONFIGFS}/{UUID}/description": f"{DESCRIPTION}\n"},
        1,
    ),
}

# kdumpctl's own file: set_vmcore_creation_status. An hour after everything else of the tree was made.
STATUS: Final = "var/lib/kdump/vmcore-creation.status"
TESTED_AT: Final = roots.MADE_AT + 3600
TEST: Final = f"kdump-test-{TESTED_AT}-123456789"
UNTOLD: Final[Tree] = {**FEDORA_SHIPPED, RECORD: None}


def after_test(status: str, seconds: int = TESTED_AT) -> Tree:
    """A machine on which somebody ran ``kdumpctl test``."""
    return {**UNTOLD, STATUS: f"{status} kdump_test_id={seconds}-123456789\n"}


TESTS: Final[dict[str, tuple[Tree, int]]] = {
    "kdumpctl test passed": (after_test("success"), 0),
    "kdumpctl test passed, kernel named": (
        {**UNTOLD, STATUS: f"success {TESTED_AT} {FEDORA}\n"},
        0,
    ),
    "kdumpctl test passed, of another kernel": (
        {**UNTOLD, STATUS: f"success {TESTED_AT} 6.17.1-300.fc42.x86_64\n"},
        10,
    ),
    "kdumpctl test passed, before the initramfs was made": (after_test("success", roots.MADE_AT - 1), 10),
    "kdumpctl test passed, and the initramfs needs a tool to be read": (
        after_test("success") | {KDUMP_IMAGE: b"\x28\xb5\x2f\xfd" + bytes(64)},
        0,
    ),
    "kdumpctl test passed, nothing is loaded": (
        after_test("success") | {"sys/kernel/kexec_crash_loaded": "0\n"},
        1,
    ),
    "kdumpctl test failed": (after_test("fail"), 10),
    "kdumpctl test not looked into": (after_test("pending"), 10),
    "kdumpctl test not looked into, the dump is there": (
        after_test("pending")
        | {f"var/crash/{TEST}/vmcore-creation.status": f"success kdump_test_id={TESTED_AT}-123456789\n"},
        0,
    ),
    "kdumpctl test not looked into, the dump is not whole": (
        after_test("pending") | {f"var/crash/{TEST}/vmcore-creation.status": "fail kdump_test_id=1-2\n"},
        10,
    ),
    "kdumpctl test left to be looked into": (after_test("manual"), 10),
    "kdumpctl test that is none": ({**UNTOLD, STATUS: "success\n"}, 10),
    "kdumpctl test passed before kdump.service was restarted": (
        {**after_test("success"), RECORD: loaded(DESCRIPTION, loaded_at=0.0), "run/lock/kdump": ""},
        0,
    ),
    "kdumpctl test passed, an image without keys was loaded since": (
        {**after_test("success"), RECORD: loaded(origins=[])},
        1,
    ),
}

BOOTED: Final[dict[str, tuple[Tree, int]]] = {
    # kdump-utils#109: the unit that mounts configfs came without the one that it requires.
    "initramfs whose mount of configfs cannot start": (
        {**F, KDUMP_IMAGE: initramfs(*CONTENTS, *UNITS[:3])},
        1,
    ),
    "initramfs of systemd's without a mount of configfs": (
        {**F, KDUMP_IMAGE: initramfs(*CONTENTS, *UNITS[:2], UNITS[3])},
        1,
    ),
    "initramfs of systemd's whose hook mounts configfs": (
        {**F}
        | {KDUMP_IMAGE: initramfs(*CONTENTS, *UNITS[:2], more={"hook.sh": b"mount -t configfs none /x\n"})},
        0,
    ),
    # openshift/os#1632: the dump goes elsewhere, and the initramfs still opens the root disk.
    "dump by ssh, initramfs with the root disk in crypttab": (
        {**F, "etc/kdump.conf": "ssh kdump@dumps.example\n"}
        | {KDUMP_IMAGE: initramfs(*CONTENTS, more={"etc/crypttab": f"root UUID={UUID} none\n".encode()})},
        1,
    ),
    "dump by nfs, initramfs with rd.luks.uuid of the root disk": (
        {**F, "etc/kdump.conf": "nfs dumps.example:/dumps\n"}
        | {
            KDUMP_IMAGE: initramfs(
                *CONTENTS, more={"etc/cmdline.d/90crypt.conf": f" rd.luks.uuid=luks-{UUID} ".encode()}
            )
        },
        1,
    ),
    "dump to a plain disk, initramfs with the root disk in crypttab": (
        {**F, "etc/kdump.conf": "ext4 /dev/vdc1\n", "sys/block/vdc/vdc1/partition": "1\n", "dev/vdc1": ""}
        | {KDUMP_IMAGE: initramfs(*CONTENTS, more={"etc/crypttab": f"root UUID={UUID} none\n".encode()})},
        1,
    ),
    "dump by ssh, initramfs with an empty crypttab": (
        {**F, "etc/kdump.conf": "ssh kdump@dumps.example\n"}
        | {
            KDUMP_IMAGE: initramfs(*CONTENTS, more={"etc/crypttab": b"\n", "etc/cmdline.d/90crypt.conf": b""})
        },
        0,
    ),
}

OTHERS: Final[dict[str, tuple[Tree, int]]] = {
    "opensuse, nothing reserved": ({**SUSE, **NO_IMAGE, **NO_SIZE}, 1),
    "opensuse, kdump alone": (
        {**SUSE, **NO_IMAGE, roots.ARM: None, "etc/systemd/system/kdump.service.d/kdumpkey.conf": None},
        1,
    ),
    "opensuse, initrd without hook": (
        {**SUSE, "var/lib/kdump/initrd": initramfs(*CONTENTS[:2], hook="")},
        1,
    ),
    "opensuse, the old call": ({**SUSE, roots.ARM: None, SYSCONFIG: 'KEXEC_OPTIONS="-c"\n'}, 1),
    "opensuse, cryptsetup 2.6": (
        {**SUSE, **NO_IMAGE, "usr/lib64/libcryptsetup.so.12.11.0": None}
        | {"usr/lib64/libcryptsetup.so.12.9.0": ""},
        1,
    ),
    "unified kernel image, nothing reserved": ({**WITH_UKI, **NO_IMAGE, **NO_SIZE}, 1),
    "unified kernel image, options for the UUID in it": (
        {**WITH_UKI, "proc/cmdline": None, "etc/crypttab": None},
        0,
    ),
    "unified kernel image, its own initramfs is loaded": ({**WITH_UKI, **ITS_OWN}, 0),
    "unified kernel image, its own initramfs is loaded, without hook": (
        {**WITH_UKI, **ITS_OWN, UKI: roots.uki(linux=b"kernel", initrd=initramfs(*CONTENTS, hook=""))},
        1,
    ),
    "unified kernel image, its own initramfs is loaded, cut off": (
        {**WITH_UKI, **ITS_OWN, UKI: roots.uki(linux=b"kernel", initrd=INNER[:400])},
        10,
    ),
}

FIELD: Final[dict[str, tuple[Tree, int]]] = {
    "fedora, the old call": ({**FEDORA_SHIPPED, SYSCONFIG: 'KEXEC_ARGS="-c"\n'}, 1),
    "fedora, the old call by its long name, behind the new one": (
        {**FEDORA_SHIPPED, SYSCONFIG: 'KEXEC_ARGS="-s --kexec-syscall"\n'},
        1,
    ),
    "fedora, no call chosen": ({**FEDORA_SHIPPED, SYSCONFIG: 'KEXEC_ARGS=""\n'}, 1),
    "fedora, no call chosen, and kexec tries the new one first": (
        {**FEDORA_SHIPPED, SYSCONFIG: 'KEXEC_ARGS=""\n'}
        | {"usr/sbin/kexec": "\x7fELF … did not\n understand the image (default)\n"},
        0,
    ),
    "fedora, the old call, under Secure Boot": (
        {**FEDORA_SHIPPED, SYSCONFIG: 'KEXEC_ARGS="-c"\n'}
        | {"sys/firmware/efi/efivars/SecureBoot-8be4df61": b"\x06\0\0\0\x01"}
        | {"sys/firmware/efi/efivars/SetupMode-8be4df61": b"\x06\0\0\0\0"},
        0,
    ),
    "fedora, the old call, and a service that arms": (
        {**FEDORA_SHIPPED, SYSCONFIG: 'KEXEC_ARGS="-c"\n', **ARMING},
        0,
    ),
    "debian, the old call": ({**D, roots.ARM: None, TOOLS: 'KDUMP_KEXEC_ARGS="-c"\n'}, 1),
    "debian, the old call, by kexec's own settings": (
        {**D, roots.ARM: None, "etc/default/kexec": 'KEXEC_ARGS="--kexec-syscall"\n'},
        1,
    ),
    "rhel 9.7, systemd 252": (
        {**RHEL_98, **NO_IMAGE, "etc/redhat-release": "Red Hat Enterprise Linux release 9.7 (Plow)\n"},
        1,
    ),
    "rhel 9.8, systemd 252 as it was": ({**RHEL_98, **NO_IMAGE, OPENER: "\x7fELF…tpm2-device="}, 1),
    "centos stream 9, systemd 252 that cannot be asked": (
        {**RHEL_98, "etc/redhat-release": "CentOS Stream release 9\n", RECORD: None},
        10,
    ),
    "fedora 44 on arm64, kdump-utils alone": (ARM, 0),
    "fedora on s390x, which passes no keys on": ({**FEDORA_SHIPPED, "proc/sys/kernel/arch": "s390x\n"}, 1),
    "coreos, nothing reserved, no option": (
        {**OSTREE, **NO_IMAGE, **NO_SIZE, "etc/crypttab": f"root UUID={UUID} none\n", "proc/keys": ""},
        1,
    ),
    "coreos, initramfs without hook": (
        {**OSTREE, "usr/lib/dracut/modules.d/99kdumpbase/kexec-crypt-setup.sh": None}
        | {f"var/lib/kdump/initramfs-{FEDORA}kdump.img": initramfs(*CONTENTS, hook="")},
        1,
    ),
    "coreos, too little reserved": (
        {**OSTREE, "proc/cmdline": "ostree=/ostree/boot.1/fedora/abc/0 crashkernel=32M\n"}
        | {"sys/kernel/kexec_crash_size": f"{32 << 20}\n"},
        10,
    ),
    "fedora, new names of sysfs, nothing loaded": (
        {**without(FEDORA_SHIPPED, "sys/kernel/kexec"), RECORD: None}
        | {"sys/kernel/kexec/crash_size": f"{256 << 20}\n", "sys/kernel/kexec/crash_loaded": "0\n"},
        1,
    ),
}
