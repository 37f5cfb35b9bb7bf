"""What is available: every limit by a prepared tree, the process's own limits for real."""

from __future__ import annotations

import mmap
import re
import resource
from pathlib import Path

import pytest

from forked import in_child
from kdumpkey.errors import ResourceError
from kdumpkey.memory import available as memory
from kdumpkey.memory.available import MACHINE, Availability, available, check_fits

MIB = 1024 * 1024
V1_NO_LIMIT = 9223372036854771712
INFINITY = resource.RLIM_INFINITY
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "36 25 0:31 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def no_rlimit(_: int) -> tuple[int, int]:
    return INFINITY, INFINITY


class Tree:
    """A root with a machine of 8 GiB available and 1 GiB of free swap, to be narrowed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8388608 kB\nSwapFree: 1048576 kB\n")
        self.write("proc/self/status", "Name:\tpython3\nVmSize:\t  204800 kB\nVmData:\t  102400 kB\n")

    def write(self, path: str, content: str | int) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{content}\n" if isinstance(content, int) else content)

    def v2(self, group: str, **files: str | int) -> None:
        for name, content in files.items():
            self.write(f"sys/fs/cgroup{group}/memory.{name.replace('_', '.')}", content)

    def v1(self, group: str, **files: str | int) -> None:
        for name, content in files.items():
            self.write(f"sys/fs/cgroup/memory{group}/memory.{name.replace('memsw_', 'memsw.')}", content)

    def in_v2(self, group: str) -> None:
        self.write("proc/self/cgroup", f"0::{group}\n")
        self.write("proc/self/mountinfo", V2_MOUNT)

    def in_v1(self, group: str, mounted_root: str = "/") -> None:
        self.write("proc/self/cgroup", f"9:name=systemd:/\n4:hugetlb,memory:{group}\n1:cpu,cpuacct:/\n0::/\n")
        self.write("proc/self/mountinfo", "garbage\n" + V1_MOUNT.format(root=mounted_root))

    def available(self) -> Availability:
        return available(self.root, no_rlimit)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_without_other_limits_it_is_the_machines_memory_and_swap(tree: Tree) -> None:
    assert tree.available() == Availability(9 * 1024 * 1024, MACHINE)


def test_what_cannot_be_read_does_not_limit(tmp_path: Path) -> None:
    assert available(tmp_path, no_rlimit).kib > 2**50


def test_a_version_2_group_limits_memory_and_lets_swap_be_used(tree: Tree) -> None:
    tree.in_v2("/app.slice/job")
    tree.v2("/app.slice/job", max=300 * MIB, current=100 * MIB)
    assert tree.available() == Availability((200 + 1024) * 1024, "cgroup /app.slice/job")


@pytest.mark.parametrize(
    ("swap_max", "mib"), [(0, 200), (50 * MIB, 240), ("max\n", 200 + 1024), (5 * MIB, 200)]
)
def test_a_version_2_group_may_limit_swap_too(tree: Tree, swap_max: str | int, mib: int) -> None:
    tree.in_v2("/job")
    tree.v2("/job", max=300 * MIB, current=100 * MIB, swap_max=swap_max, swap_current=10 * MIB)
    assert tree.available().kib == mib * 1024


def test_an_ancestor_that_is_narrower_decides(tree: Tree) -> None:
    tree.in_v2("/a/b/c")
    tree.v2("/a/b/c", max="max\n", current=10 * MIB, swap_max=0)
    tree.v2("/a/b", max=500 * MIB, current=10 * MIB, swap_max=0)
    tree.v2("/a", max=400 * MIB, current=300 * MIB, swap_max=0)
    assert tree.available() == Availability(100 * 1024, "cgroup /a")


@pytest.mark.parametrize(("cached", "mib"), [(150, 250), (900, 300)])
def test_a_groups_page_cache_counts_as_available(tree: Tree, cached: int, mib: int) -> None:
    tree.in_v2("/job")
    stat = f"anon 1\ninactive_file {cached * MIB // 2}\nactive_file {cached * MIB // 2}\nslab_reclaimable 0\n"
    tree.v2("/job", max=300 * MIB, current=200 * MIB, swap_max=0, stat=stat)
    assert tree.available().kib == mib * 1024


def test_a_group_over_its_limit_has_nothing(tree: Tree) -> None:
    tree.in_v2("/job")
    tree.v2("/job", max=100 * MIB, current=120 * MIB, swap_max=0)
    assert tree.available() == Availability(0, "cgroup /job")


def test_a_group_outside_of_the_namespace_is_seen_as_its_mounts_own(tree: Tree) -> None:
    tree.in_v2("/../sibling")
    tree.v2("", max=100 * MIB, current=40 * MIB, swap_max=0)
    assert tree.available() == Availability(60 * 1024, "cgroup /")


def test_a_version_1_group_limits_memory_and_lets_swap_be_used(tree: Tree) -> None:
    tree.in_v1("/job")
    stat = f"inactive_file 5\ntotal_inactive_file {10 * MIB}\ntotal_active_file {5 * MIB}\n"
    tree.v1("/job", limit_in_bytes=300 * MIB, usage_in_bytes=100 * MIB, stat=stat)
    tree.v1("", limit_in_bytes=V1_NO_LIMIT, usage_in_bytes=100 * MIB)
    assert tree.available() == Availability((215 + 1024) * 1024, "cgroup /job")


def test_a_version_1_group_may_limit_memory_and_swap_together(tree: Tree) -> None:
    tree.in_v1("/job")
    tree.v1("/job", limit_in_bytes=300 * MIB, usage_in_bytes=100 * MIB)
    tree.v1("/job", memsw_limit_in_bytes=400 * MIB, memsw_usage_in_bytes=150 * MIB)
    assert tree.available().kib == 250 * 1024


def test_a_version_1_group_without_limit_does_not_limit(tree: Tree) -> None:
    tree.in_v1("/job")
    tree.v1("/job", limit_in_bytes=V1_NO_LIMIT, usage_in_bytes=100 * MIB)
    assert tree.available().limit == MACHINE


def test_a_mount_that_shows_only_the_containers_part_is_understood(tree: Tree) -> None:
    tree.in_v1("/docker/abc/inner", mounted_root="/docker/abc")
    tree.v1("", limit_in_bytes=200 * MIB, usage_in_bytes=100 * MIB)
    tree.v1("/inner", limit_in_bytes=V1_NO_LIMIT, usage_in_bytes=100 * MIB)
    assert tree.available() == Availability((100 + 1024) * 1024, "cgroup /")


@pytest.mark.parametrize(
    ("number", "name", "kib"),
    [
        (resource.RLIMIT_AS, "RLIMIT_AS", 512000 - 204800),
        (resource.RLIMIT_DATA, "RLIMIT_DATA", 512000 - 102400),
    ],
)
def test_the_processs_own_limits_count_less_what_it_uses(
    tree: Tree, number: int, name: str, kib: int
) -> None:
    def getrlimit(asked: int) -> tuple[int, int]:
        return (512000 * 1024 if asked == number else INFINITY, INFINITY)

    assert available(tree.root, getrlimit) == Availability(kib, name)


@pytest.mark.parametrize(
    ("number", "name"), [(resource.RLIMIT_AS, "RLIMIT_AS"), (resource.RLIMIT_DATA, "RLIMIT_DATA")]
)
def test_a_real_limit_is_measured_such_that_what_is_available_can_be_had(number: int, name: str) -> None:
    def body() -> None:
        used = "VmSize:" if name == "RLIMIT_AS" else "VmData:"
        in_use = int(Path("/proc/self/status").read_text().split(used)[1].split()[0]) * 1024
        resource.setrlimit(number, (in_use + 100 * MIB, resource.getrlimit(number)[1]))
        have = available()
        assert have.limit == name
        assert 90 * 1024 < have.kib <= 100 * 1024
        mmap.mmap(-1, (have.kib - 2048) * 1024, flags=mmap.MAP_PRIVATE).close()
        with pytest.raises(OSError, match="Cannot allocate"):
            mmap.mmap(-1, (have.kib + 2048) * 1024, flags=mmap.MAP_PRIVATE)

    in_child(body)


def test_this_machine_has_some_memory() -> None:
    assert 0 < available().kib < 2**40


def test_what_does_not_fit_is_refused_with_both_numbers() -> None:
    message = "keyslot 0 needs 1048576 KiB for argon2id, 187 MiB are available here"
    with pytest.raises(ResourceError, match=f"^{message}$") as refusal:
        check_fits(1048576, "keyslot 0", "argon2id", Availability(187 * 1024 + 500, MACHINE))
    assert refusal.value.exit_code == 3


def test_a_refusal_names_a_limit_that_is_not_the_machines() -> None:
    with pytest.raises(ResourceError, match=re.escape("0 MiB are available here (RLIMIT_AS)")):
        check_fits(32, "keyslot 1", "argon2i", Availability(31, "RLIMIT_AS"))


def test_what_just_fits_is_let_through() -> None:
    check_fits(32, "keyslot 1", "argon2i", Availability(32, "RLIMIT_AS"))
    check_fits(1, "keyslot 1", "argon2i")


def test_swap_does_not_count_for_what_is_to_be_locked(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    assert available(tree.root, no_rlimit).kib == 9 * MIB
    assert available(tree.root, no_rlimit, swap=False).kib == 8 * MIB
    tree.in_v2("/a")
    tree.v2("/a", max=1024 * MIB, current=0, swap_max="max\n", swap_current=0)
    assert available(tree.root, no_rlimit).kib == 2 * MIB
    assert available(tree.root, no_rlimit, swap=False).kib == MIB


@pytest.mark.parametrize(("there", "locked"), [(72, True), (71, False)])
def test_memory_is_locked_where_an_eighth_more_is_there(
    monkeypatch: pytest.MonkeyPatch, there: int, locked: bool
) -> None:
    monkeypatch.setattr(memory, "available", lambda **_: Availability(there, MACHINE))
    assert memory.can_be_locked(64) is locked
