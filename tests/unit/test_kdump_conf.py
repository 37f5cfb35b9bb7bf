"""kdump generate kdump.conf: the lines that are missing and no others, as its readers read them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

import roots
from kdumpkey.errors import UsageError
from kdumpkey.kdump.generate.apply import apply
from kdumpkey.kdump.generate.generate import generate
from layered_root import run_layered, unpacked_packages
from tools import require_tool

ADD = "dracut_args --add kdumpkey"
OTHER = "# where\npath /var/crash\ncore_collector makedumpfile -l\n"
OTHER_TARGET = {
    "etc/fstab": "/dev/mapper/data /srv xfs defaults 0 0\n",
    "sys/block/dm-1/dm/name": "data\n",
    "sys/block/dm-1/dm/uuid": "CRYPT-LUKS2-00112233445566778899aabbccddeeff-data\n",
    "sys/block/dm-1/slaves/vdb1/partition": "1\n",
    "sys/block/vdb1/holders/dm-1": "",
    "dev/vdb1": "",
    "dev/mapper/data": "",
}
NAMED_ODDLY = {
    "etc/fstab": "/dev/mapper/data#1 /srv xfs defaults 0 0\n",
    "sys/block/dm-1/dm/name": "data#1\n",
    "dev/mapper/data#1": "",
}


def _root(root: Path, text: str | None, **more: str) -> Path:
    return roots.build(root, {"dev/mapper/root": "", **roots.fedora(), "etc/kdump.conf": text, **more})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"{ADD}\n"),
        (OTHER, f"{OTHER}{ADD}\n"),
        (OTHER.rstrip(), f"{OTHER}{ADD}\n"),
        (
            "dracut_args --omit-drivers 'cfg80211 snd'\npath /\n",
            f"{ADD} --omit-drivers 'cfg80211 snd'\npath /\n",
        ),
        # kdump-utils takes quotes around a whole value away; behind an option they would be left.
        ('dracut_args "--omit rdma"  # why\n', f"{ADD} --omit rdma # why\n"),
        ("  dracut_args   --add  kdumpkey2\n", f"{ADD} --add  kdumpkey2\n"),
    ],
)
def test_dracut_is_told_to_add_the_module_and_other_lines_stay(
    before: str | None, after: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, before)
    # Without a configuration nothing says which devices: they are named.
    (change,) = generate("kdump.conf", root, [] if before is not None else ["/dev/vda3"])
    assert change.after == after
    apply(root, [change])
    assert not any(change.diff() for change in generate("kdump.conf", root))


@pytest.mark.parametrize(
    "text", [f"{ADD}\n", "dracut_args -a 'qemu kdumpkey'\n", 'dracut_args --force "--add=kdumpkey rdma"\n']
)
def test_a_module_that_is_added_already_is_not_added_again(text: str, tmp_path: Path) -> None:
    assert [change.diff() for change in generate("kdump.conf", _root(tmp_path, text))] == [""]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OTHER, f"{OTHER}{ADD}\nxfs /dev/mapper/data\n"),
        (f"ssh root@elsewhere\n{OTHER}", f"xfs /dev/mapper/data\n{OTHER}{ADD}\n"),
        (f"{ADD}\nxfs /dev/mapper/data\n", f"{ADD}\nxfs /dev/mapper/data\n"),
    ],
)
def test_a_device_that_the_dump_does_not_go_to_becomes_the_target(
    before: str, after: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, before, **OTHER_TARGET)
    (change,) = generate("kdump.conf", root, ["/dev/vdb1"])
    assert change.after == after


@pytest.mark.parametrize(
    ("text", "more", "devices", "why"),
    [
        (f"{ADD}\n{ADD}\n", {}, [], "2 times"),
        ("dracut_args --add 'x\n", {}, [], "cannot be read"),
        (None, OTHER_TARGET | {"etc/fstab": ""}, ["/dev/vdb1"], "no dump can go there"),
        (None, OTHER_TARGET | NAMED_ODDLY, ["/dev/vdb1"], "cannot name"),
        ('dracut_args --mount "/dev/x /y ext4"\n', OTHER_TARGET, ["/dev/vdb1"], "a line of its own"),
    ],
)
def test_what_cannot_be_changed_safely_is_left_to_a_person(
    text: str | None, more: dict[str, str], devices: list[str], why: str, tmp_path: Path
) -> None:
    root = _root(tmp_path, text, **more)
    with pytest.raises(UsageError, match=why):
        generate("kdump.conf", root, devices)


def test_the_words_for_dracut_are_those_that_mkdumprd_makes_of_them(tmp_path: Path) -> None:
    root = _root(tmp_path, "dracut_args --omit-drivers 'cfg80211 snd' --mount \"/dev/mapper/root /b ext4\"\n")
    (change,) = generate("kdump.conf", root)
    value = change.after.partition(" ")[2]
    split = subprocess.run(
        [require_tool("xargs"), "-n", "1", "echo"], input=value, capture_output=True, text=True, check=True
    )
    words = ["--add", "kdumpkey", "--omit-drivers", "cfg80211 snd", "--mount", "/dev/mapper/root /b ext4"]
    assert split.stdout.splitlines() == words == shlex.split(value)


def test_augeas_reads_the_file(tmp_path: Path) -> None:
    root = _root(tmp_path / "root", f"ssh root@elsewhere\n{OTHER}", **OTHER_TARGET)
    (change,) = generate("kdump.conf", root, ["/dev/vdb1"])
    layer = tmp_path / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc/kdump.conf").write_text(change.after)
    packages = unpacked_packages("augeas-tools", "augeas-lenses", "libaugeas0")
    done = run_layered(
        [packages, layer],
        ["augtool", "--noautoload", "--transform", "Kdump.lns incl /etc/kdump.conf", "print", "/files"],
        tmp_path,
    )
    values = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
    assert values["/files/etc/kdump.conf/dracut_args"] == '"--add kdumpkey"', done.stderr
    assert values["/files/etc/kdump.conf/xfs"] == '"/dev/mapper/data"'
    assert not any("/ssh" in name for name in values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("USE_KDUMP=1\n", 'USE_KDUMP=1\nKDUMP_KEXEC_ARGS="-s"\n'),
        (
            "#KDUMP_KEXEC_ARGS=''\nKDUMP_KEXEC_ARGS='-c -d'\n",
            "#KDUMP_KEXEC_ARGS=''\nKDUMP_KEXEC_ARGS=\"-s -d\"\n",
        ),
        ('KDUMP_KEXEC_ARGS="--debug -s" # mine\n', 'KDUMP_KEXEC_ARGS="--debug -s" # mine\n'),
    ],
)
def test_kdump_tools_loads_by_the_call_that_hands_keys_over(before: str, after: str, tmp_path: Path) -> None:
    root = roots.build(tmp_path, {"dev/mapper/root": "", **roots.debian(), "etc/default/kdump-tools": before})
    (change,) = generate("kdump.conf", root)
    assert (change.path, change.after) == ("etc/default/kdump-tools", after)
    sourced = subprocess.run(
        ["sh", "-c", f"{after}echo $KDUMP_KEXEC_ARGS"], capture_output=True, text=True, check=True
    )
    assert "-s" in sourced.stdout.split()


def test_arguments_of_kexec_that_a_shell_makes_are_left_to_a_person(tmp_path: Path) -> None:
    text = 'KDUMP_KEXEC_ARGS="$(reboot)"\n'
    root = roots.build(tmp_path, {"dev/mapper/root": "", **roots.debian(), "etc/default/kdump-tools": text})
    with pytest.raises(UsageError, match="have -s in them"):
        generate("kdump.conf", root)
