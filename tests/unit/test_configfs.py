"""Mounting configfs: what the kernel would be given, in a root that is a folder. Nothing is mounted."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kdumpkey.errors import KernelError
from kdumpkey.kernel.linux.configfs import mount_configfs

NOSUID, NODEV, NOEXEC = 2, 4, 8  # include/uapi/linux/mount.h


@dataclass
class Libc:
    """A C library of which `mount` alone is called; it fails with `errno` unless that is 0."""

    errno: int = 0
    calls: list[tuple[bytes, bytes, bytes, int]] = field(default_factory=list)

    def mount(self, source: bytes, target: bytes, kind: bytes, flags: ctypes.c_ulong, data: None) -> int:
        assert data is None
        self.calls.append((source, target, kind, flags.value))
        ctypes.set_errno(self.errno)
        return -1 if self.errno else 0


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Libc]:
    made = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: made)
    yield made
    ctypes.set_errno(0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine whose kernel has configfs, which is not mounted."""
    (tmp_path / "sys/kernel/config").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/mounts").write_text("proc /proc proc rw 0 0\ntmpfs /sys/kernel/config tmpfs rw 0 0\n\n")
    return tmp_path


def _refused(root: Path) -> KernelError:
    with pytest.raises(KernelError) as caught:
        mount_configfs(root)
    return caught.value


def test_configfs_is_mounted_where_it_belongs_and_runs_nothing(libc: Libc, root: Path) -> None:
    mount_configfs(root)
    target = os.fsencode(root / "sys/kernel/config")
    assert libc.calls == [(b"configfs", target, b"configfs", NOSUID | NODEV | NOEXEC)]


def test_configfs_that_is_mounted_is_not_mounted_again(libc: Libc, root: Path) -> None:
    (root / "proc/mounts").write_text("configfs /sys/kernel/config configfs rw,nosuid 0 0\n")
    mount_configfs(root)
    assert libc.calls == []


def test_configfs_that_another_process_mounts_meanwhile_is_no_failure(libc: Libc, root: Path) -> None:
    libc.errno = errno.EBUSY
    mount_configfs(root)
    assert len(libc.calls) == 1


def test_a_user_who_may_not_mount_is_told_where_and_why(libc: Libc, root: Path) -> None:
    libc.errno = errno.EPERM
    error = _refused(root)
    assert error.errno == errno.EPERM
    assert "/sys/kernel/config" in str(error)
    assert os.strerror(errno.EPERM) in str(error)


def test_a_kernel_without_configfs_is_told_to_load_its_module(libc: Libc, root: Path) -> None:
    (root / "sys/kernel/config").rmdir()
    error = _refused(root)
    assert (error.errno, "modprobe configfs" in str(error)) == (errno.ENOENT, True)
    assert libc.calls == []


def test_without_proc_nothing_is_known_to_be_mounted(libc: Libc, root: Path) -> None:
    (root / "proc/mounts").unlink()
    mount_configfs(root)
    assert len(libc.calls) == 1
