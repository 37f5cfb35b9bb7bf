"""The doctor against trees that are made to mislead it, to hold it up, or to lead it out of them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

import roots
from doctor_field_trees import STATUS, SYSCONFIG, THROTTLER, UKI, WITH_UKI
from kdumpkey.host.blocks import beneath
from kdumpkey.host.host import Host
from kdumpkey.kdump.doctor import Finding, Verdict, exit_code
from kdumpkey.kdump.doctor.examine import examine
from roots import FEDORA, RECORD
from tools import HANGS_AFTER_S

NOBODY: Final = 65534
# Without any one of these it cannot be known that a dump would be written.
DECISIVE: Final = (
    "etc/kdump.conf",
    "proc/sys/kernel/random/boot_id",
    "proc/mounts",
    "sys/kernel/kexec_crash_size",
    "sys/kernel/kexec_crash_loaded",
    "sys/block/dm-0/dm/uuid",
    "dev/vda3",
    RECORD,
    f"boot/initramfs-{FEDORA}kdump.img",
)
OTHERS: Final = (
    "etc/crypttab",
    "proc/keys",
    "proc/meminfo",
    "proc/modules",
    "proc/sys/kernel/osrelease",
    f"boot/config-{FEDORA}",
    "usr/lib/systemd/system/kdump.service",
    "usr/lib64/libcryptsetup.so.12.11.0",
)


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "x").write_text("")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\0\x1b[2J\n" * 1000)


KINDS: Final[dict[str, Callable[[Path], None]]] = {
    "a FIFO": os.mkfifo,
    "a loop": _loop,
    "a directory": _directory,
    "a file without end": _large,
    "garbage": _garbage,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Whatever hangs fails."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the doctor took more than {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(HANGS_AFTER_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _instead(root: Path, name: str, kind: str) -> list[Finding]:
    roots.build(root, roots.fedora())
    (root / name).unlink()
    KINDS[kind](root / name)
    found = examine(root)
    assert "Errno" not in str(found)  # what is said is said in words
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DECISIVE)
def test_what_cannot_be_read_is_never_said_to_work(name: str, kind: str, tmp_path: Path) -> None:
    if (name, kind) == ("sys/block/dm-0/dm/uuid", "garbage"):
        pytest.skip("a mapping may have any uuid; only those that begin with CRYPT- are cryptsetup's")
    assert exit_code(_instead(tmp_path, name, kind)) in (1, 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OTHERS)
def test_whatever_stands_in_for_a_file_the_doctor_ends(name: str, kind: str, tmp_path: Path) -> None:
    assert _instead(tmp_path, name, kind)


@pytest.mark.parametrize("name", [RECORD, "etc/crypttab", "dev/vda3", "etc/kdump.conf", "proc/keys"])
@pytest.mark.parametrize("way", ["absolute", "by climbing"])
def test_links_do_not_lead_out_of_the_tree(name: str, way: str, tmp_path: Path) -> None:
    root = roots.build(tmp_path / "tree", roots.fedora())
    outside = tmp_path / "outside"
    (root / name).rename(outside)
    (root / name).symlink_to(outside if way == "absolute" else f"{'../' * 40}{outside.relative_to('/')}")
    host = Host(root)
    assert (host.exists(name), host.absent(name), host.content(name)) == (False, True, None)
    assert exit_code(examine(root)) != 0 or name in ("etc/crypttab", "proc/keys")


def test_a_link_within_the_tree_is_followed_as_the_machine_would(tmp_path: Path) -> None:
    root = roots.build(tmp_path, roots.fedora())
    (root / "etc/crypttab").rename(root / "elsewhere")
    (root / "etc/crypttab").symlink_to("/elsewhere")
    assert exit_code(examine(root)) == 0
    assert all(finding.verdict is Verdict.GOOD for finding in examine(root) if finding.check == "crypttab")


def test_devices_in_a_circle_and_without_end_are_left(tmp_path: Path) -> None:
    for number in range(600):
        for lower in (number + 1, number // 2):
            (tmp_path / f"sys/block/dm-{number}/slaves/dm-{lower}").mkdir(parents=True)
    found = beneath(Host(tmp_path), "dm-0")
    assert any("more than" in reason for reason in found.unseen)
    (tmp_path / "sys/block/md0/slaves/md1").mkdir(parents=True)
    (tmp_path / "sys/block/md1/slaves/md0").mkdir(parents=True)
    assert beneath(Host(tmp_path), "md0").unseen == []


def test_an_encryption_that_is_not_known_is_not_taken_for_none(tmp_path: Path) -> None:
    tree = roots.fedora() | {"sys/block/dm-0/dm/uuid": "CRYPT-LUKS3-0123-root\n"}
    assert exit_code(examine(roots.build(tmp_path, tree))) == 10


@pytest.mark.parametrize("name", DECISIVE)
def test_another_user_cannot_tell(name: str) -> None:
    # pytest's own directories are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="kdumpkey-doctor-"))
    try:
        folder.chmod(0o755)
        root = roots.build(folder / "tree", roots.fedora())
        if name == "sys/block/dm-0/dm/uuid":
            (root / "sys/block/dm-0/dm").chmod(0)
        (root / name).chmod(0)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            found = examine(root)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
        assert exit_code(found) == 10, [finding for finding in found if finding.verdict is not Verdict.GOOD]
    finally:
        shutil.rmtree(folder)


def test_a_detached_header_that_crypttab_names_is_a_file_of_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "header.img"
    outside.write_bytes(roots.device())
    tree = roots.fedora() | {"dev/vda3": bytes(1 << 20)}
    tree["etc/crypttab"] = f"root /dev/vda3 - luks,header={outside},{roots.LINK}\n"
    root = roots.build(tmp_path / "outside", tree)
    header = next(finding for finding in examine(root) if finding.check == "header")
    assert header.verdict is Verdict.UNKNOWN
    inside = root / str(outside).lstrip("/")
    inside.parent.mkdir(parents=True)
    outside.rename(inside)
    header = next(finding for finding in examine(root) if finding.check == "header")
    assert header.verdict is Verdict.GOOD


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        SYSCONFIG,
        STATUS,
        "proc/cmdline",
        UKI,
        "etc/os-release",
        "usr/bin/kdumpctl",
        THROTTLER,
        "usr/sbin/kexec",
    ],
)
def test_whatever_stands_in_for_a_file_of_the_distribution_the_doctor_ends(
    name: str, kind: str, tmp_path: Path
) -> None:
    root = roots.build(tmp_path, WITH_UKI | {name: None})
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](root / name)
    assert examine(root)
