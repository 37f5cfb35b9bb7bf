"""How many threads are worth starting: by prepared trees of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdumpkey.crypto.processors import available

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "36 25 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


def eight(_: int) -> set[int]:
    return set(range(8))


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def in_v2(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/a/b\n")
    write(root, "proc/self/mountinfo", V2_MOUNT)


def test_without_quotas_it_is_the_affinity_mask(tmp_path: Path) -> None:
    assert available(tmp_path, eight) == 8
    in_v2(tmp_path)
    write(tmp_path, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n")
    assert available(tmp_path, eight) == 8
    assert available(tmp_path, lambda _: {5}) == 1


@pytest.mark.parametrize(
    ("own", "parents", "expected"),
    [
        ("200000 100000", "max 100000", 2),
        ("max 100000", "300000 100000", 3),
        ("50000 100000", "max 100000", 1),
        ("250000 100000", "max 100000", 3),
        ("99900000 100000", "max 100000", 8),
        ("0 0", "garbage", 8),
    ],
)
def test_the_smallest_quota_of_version_2_counts_rounded_up(
    tmp_path: Path, own: str, parents: str, expected: int
) -> None:
    in_v2(tmp_path)
    write(tmp_path, "sys/fs/cgroup/a/b/cpu.max", f"{own}\n")
    write(tmp_path, "sys/fs/cgroup/a/cpu.max", f"{parents}\n")
    assert available(tmp_path, eight) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("150000", 2)])
def test_the_quota_of_version_1_counts(tmp_path: Path, quota: str, expected: int) -> None:
    write(tmp_path, "proc/self/cgroup", "4:cpu,cpuacct:/a\n0::/\n")
    write(tmp_path, "proc/self/mountinfo", V1_MOUNT)
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", f"{quota}\n")
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
    assert available(tmp_path, eight) == expected


def test_here_it_is_a_number_of_processors() -> None:
    assert 1 <= available() <= 1 << 20
