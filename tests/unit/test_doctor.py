"""The doctor against prepared root trees: sound ones of three layouts, and one for each way to be broken.

tests/golden/doctor.txt has what it says of each. To change it: KDUMPKEY_WRITE_GOLDEN=1, then git diff.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

import roots
from kdumpkey.errors import UsageError
from kdumpkey.kdump.doctor import Finding, Verdict, exit_code
from kdumpkey.ops.doctor import examine
from roots import CONFIGFS, CONTENTS, DESCRIPTION, FEDORA, LINK, UUID, Tree, initramfs, key, loaded

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "doctor.txt"
NO_RECORD: Final[Tree] = {"run/kdumpkey/loaded.json": None}
KDUMP_IMAGE: Final = f"boot/initramfs-{FEDORA}kdump.img"
UNIT: Final = "usr/lib/systemd/system/kdump.service"
NO_INTERFACE: Final[Tree] = {f"{CONFIGFS}/count": None, f"{CONFIGFS}/reuse": None}
# Each with what must come out: 0 a dump, 1 none, 10 cannot tell.
TREES: Final[dict[str, tuple[Tree, int]]] = {
    "fedora": (roots.fedora(), 0),
    "rhel, LVM on LUKS": (roots.rhel(), 0),
    "debian": (roots.debian(), 0),
    "dump by ssh": ({**roots.fedora(), "etc/kdump.conf": "ssh kdump@dumps.example\n"}, 0),
    "dump to a plain disk": ({**roots.fedora(), "sys/block/dm-0/dm/uuid": "LVM-x\n"}, 0),
    "target not there": ({**roots.fedora(), "etc/kdump.conf": "ext4 UUID=1234\n"}, 10),
    "kernel without the option": (
        {
            **roots.fedora(),
            **NO_RECORD,
            **NO_INTERFACE,
            f"boot/config-{FEDORA}": "CONFIG_CONFIGFS_FS=y\nCONFIG_DM_CRYPT=m\n",
        },
        1,
    ),
    "configfs not mounted": (
        {**roots.fedora(), **NO_RECORD, **NO_INTERFACE, "proc/mounts": "/dev/mapper/root / ext4 rw 0 0\n"},
        1,
    ),
    "interface unknown": (
        {
            **roots.debian(),
            **NO_RECORD,
            **NO_INTERFACE,
            "proc/mounts": "/dev/mapper/root / ext4 rw 0 0\n",
            f"boot/config-{roots.DEBIAN}": None,
        },
        10,
    ),
    "architecture without hand-over": (
        {**roots.fedora(), **NO_RECORD, **NO_INTERFACE, "proc/sys/kernel/arch": "s390x\n"},
        1,
    ),
    "item without description": (
        {
            **roots.fedora(),
            **NO_RECORD,
            f"{CONFIGFS}/one/description": "(null)\n",
            f"{CONFIGFS}/reuse": "1\n",
        },
        1,
    ),
    "nothing reserved": ({**roots.fedora(), "sys/kernel/kexec_crash_size": "0\n"}, 1),
    "too little reserved": ({**roots.fedora(), "sys/kernel/kexec_crash_size": f"{96 << 20}\n"}, 1),
    "no image": ({**roots.fedora(), "sys/kernel/kexec_crash_loaded": "0\n"}, 1),
    "image without record": ({**roots.fedora(), "run/kdumpkey/loaded.json": None}, 10),
    "record of another boot": (
        {**roots.fedora(), "run/kdumpkey/loaded.json": loaded(DESCRIPTION, boot="other")},
        10,
    ),
    "image with another key": ({**roots.fedora(), "run/kdumpkey/loaded.json": loaded("kdump:other")}, 1),
    "key gone, image has it": ({**roots.fedora(), "proc/keys": ""}, 0),
    "key gone, and no record": (
        {**roots.fedora(), "proc/keys": "", "run/kdumpkey/loaded.json": None},
        1,
    ),
    "key expired": (
        {**roots.fedora(), "proc/keys": key(timeout="expd"), "run/kdumpkey/loaded.json": None},
        1,
    ),
    "key of type user": (
        {**roots.fedora(), "proc/keys": key("user"), "run/kdumpkey/loaded.json": None},
        1,
    ),
    "key for five minutes": ({**roots.fedora(), "proc/keys": key(timeout="5m")}, 0),
    "crypttab without the option, key there": (
        {**roots.fedora(), "etc/crypttab": f"root UUID={UUID} none luks\n"},
        0,
    ),
    "crypttab links elsewhere, key gone": (
        {
            **roots.fedora(),
            **NO_RECORD,
            "etc/crypttab": f"root UUID={UUID} none {LINK.replace('@u', '@s')}\n",
            "proc/keys": "",
        },
        1,
    ),
    "crypttab by path": ({**roots.fedora(), "etc/crypttab": f"root /dev/vda3 none luks,{LINK}\n"}, 0),
    "no crypttab": ({**roots.debian(), **NO_RECORD, "etc/crypttab": None, "proc/keys": ""}, 1),
    "cryptsetup 2.6, systemd 252": (
        {
            **roots.debian(),
            **NO_RECORD,
            "usr/lib/x86_64-linux-gnu/libcryptsetup.so.12.11.0": None,
            "usr/lib/x86_64-linux-gnu/libcryptsetup.so.12.9.0": "",
            "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-259.so": None,
            "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": "",
        },
        1,
    ),
    "service with a private keyring": ({**roots.fedora(), **NO_RECORD, UNIT: "[Service]\nType=oneshot\n"}, 1),
    "private keyring, image has the key": ({**roots.fedora(), UNIT: "[Service]\nType=oneshot\n"}, 0),
    "no service": ({**roots.fedora(), UNIT: None}, 0),
    "no kdump initramfs": ({**roots.fedora(), KDUMP_IMAGE: None}, 1),
    "initramfs without hook and cryptsetup": ({**roots.fedora(), KDUMP_IMAGE: initramfs(hook=b"true\n")}, 1),
    "initramfs in zstd": ({**roots.fedora(), KDUMP_IMAGE: b"\x28\xb5\x2f\xfd" + bytes(64)}, 10),
    "initramfs cut off": ({**roots.fedora(), KDUMP_IMAGE: initramfs(*CONTENTS)[:130]}, 10),
}


def _shown(finding: Finding) -> str:
    about = f"{finding.device}: " if finding.device else ""
    fix = f" | {finding.fix}" if finding.fix else ""
    return f"  {finding.verdict.value} {finding.check}: {about}{finding.what}{fix}"


def _examined(root: Path, tree: Tree) -> tuple[int, list[str]]:
    # The devices that are mounted or named in fstab lie under /dev of the tree.
    roots.build(root, {"dev/mapper/root": "", "dev/mapper/vg-crash": "", **tree})
    found = examine(root)
    good = " ".join(finding.check for finding in found if finding.verdict is Verdict.GOOD)
    rest = [_shown(finding) for finding in found if finding.verdict is not Verdict.GOOD]
    return exit_code(found), [line.replace(str(root), "") for line in (f"  good {good}", *rest)]


def _golden() -> dict[str, str]:
    sections = GOLDEN.read_text().split("== ")[1:] if GOLDEN.exists() else []
    return {section.partition("\n")[0]: section.partition("\n")[2].rstrip("\n") for section in sections}


@pytest.mark.parametrize("name", TREES)
def test_each_tree_gets_its_verdict_and_its_findings(name: str, tmp_path: Path) -> None:
    tree, expected = TREES[name]
    code, lines = _examined(tmp_path, tree)
    if os.environ.get("KDUMPKEY_WRITE_GOLDEN") == "1":
        golden = _golden() | {name: "\n".join(lines)}
        GOLDEN.write_text("\n".join(f"== {each}\n{golden[each]}\n" for each in TREES if each in golden))
    assert (code, "\n".join(lines)) == (expected, _golden()[name])


def test_what_is_broken_comes_with_a_fix(tmp_path: Path) -> None:
    for number, (tree, _) in enumerate(TREES.values()):
        root = tmp_path / str(number)
        roots.build(root, {"dev/mapper/root": "", "dev/mapper/vg-crash": "", **tree})
        for finding in examine(root):
            assert finding.why
            assert bool(finding.fix) == (finding.verdict is not Verdict.GOOD), finding


def test_nothing_is_written(tmp_path: Path) -> None:
    roots.build(tmp_path, {"dev/mapper/root": "", **roots.fedora()})
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")}
    examine(tmp_path)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")} == before


def test_a_root_that_is_no_directory_and_a_kdump_kernel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no directory"):
        examine(tmp_path / "absent")
    roots.build(tmp_path, {"proc/vmcore": ""})
    with pytest.raises(UsageError, match="kdump kernel"):
        examine(tmp_path)
