"""kdump arm: all keys or none, whatever fails, and whenever it is cut short."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fake_linux import IMAGE, FakeLinux
from kdumpkey.errors import KernelError
from kdumpkey.kdump.linux import INTERFACE
from kdumpkey.ops.arm import KeyToArm, arm, find_image
from kdumpkey.secret import SecretBuffer


@dataclass
class FakeKeys:
    """A keyring; `unreachable` are names that a load would not find."""

    there: dict[str, int] = field(default_factory=dict)
    unreachable: frozenset[str] = frozenset()

    def put(self, description: str, key: SecretBuffer, timeout_s: int) -> None:
        assert len(key) > 0
        self.there[description] = timeout_s

    def finds(self, description: str) -> bool:
        return description in self.there and description not in self.unreachable


@pytest.fixture
def fake(tmp_path: Path) -> FakeLinux:
    return FakeLinux(tmp_path)


@pytest.fixture
def two() -> Iterator[list[KeyToArm]]:
    with SecretBuffer(64) as one, SecretBuffer(32) as other:
        yield [KeyToArm("kdump-cryptsetup:vk-a", one), KeyToArm("kdump-cryptsetup:vk-b", other)]


def _refused(fake: FakeLinux, keys: FakeKeys, wanted: list[KeyToArm]) -> KernelError:
    with pytest.raises(KernelError) as caught:
        arm(fake.kernel, keys, wanted, IMAGE)
    return caught.value


def test_all_keys_are_loaded_and_no_item_is_left(fake: FakeLinux, two: list[KeyToArm]) -> None:
    keys = FakeKeys()
    loaded = arm(fake.kernel, keys, two, IMAGE, timeout_s=300)
    assert [key.description for key in loaded.keys or ()] == [each.description for each in two]
    assert keys.there == {each.description: 300 for each in two}
    assert fake.kernel.status().named == ()
    assert fake.kernel.status().keys == loaded.keys


def test_a_key_out_of_reach_is_found_before_the_old_image_is_lost(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    arm(fake.kernel, FakeKeys(), two, IMAGE)
    error = _refused(fake, FakeKeys(unreachable=frozenset({two[1].description})), two)
    assert error.errno == errno.ENOKEY
    assert "keyctl link @u @s" in str(error)
    status = fake.kernel.status()
    assert (status.loaded, len(status.keys or ()), status.named) == (True, 2, ())


def test_a_failed_load_says_that_nothing_is_loaded_and_leaves_no_item(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    arm(fake.kernel, FakeKeys(), two, IMAGE)
    fake.refuse = errno.EADDRNOTAVAIL
    error = _refused(fake, FakeKeys(), two)
    assert error.errno == errno.EADDRNOTAVAIL
    assert "No crash image is loaded now." in str(error)
    assert (fake.kernel.status().keys, fake.kernel.status().named) == ((), ())
    fake.refuse = 0
    assert len(arm(fake.kernel, FakeKeys(), two, IMAGE).keys or ()) == 2


def test_items_that_a_killed_run_left_are_taken_up(fake: FakeLinux, two: list[KeyToArm]) -> None:
    fake.kernel.name(two[0].description)
    assert len(arm(fake.kernel, FakeKeys(), two, IMAGE).keys or ()) == 2
    assert fake.kernel.status().named == ()


def test_an_item_of_another_program_is_loaded_too_and_stays(fake: FakeLinux, two: list[KeyToArm]) -> None:
    fake.kernel.name("other:key")
    assert _refused(fake, FakeKeys(), two).errno == errno.ENOKEY
    loaded = arm(fake.kernel, FakeKeys({"other:key": 0}), two, IMAGE)
    assert len(loaded.keys or ()) == 3
    assert [key.description for key in fake.kernel.status().named] == ["other:key"]


def test_stale_reuse_items_without_description_and_the_kdump_kernel_are_refused(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    fake.put(f"{INTERFACE}/reuse", "1\n")
    assert _refused(fake, FakeKeys(), two).errno == errno.EINVAL
    fake.put(f"{INTERFACE}/reuse", "0\n")
    fake.put(f"{INTERFACE}/one/description", "(null)\n")
    assert _refused(fake, FakeKeys(), two).errno == errno.EINVAL
    fake.put("proc/vmcore", "")
    assert _refused(fake, FakeKeys(), two).errno == errno.EPERM
    assert fake.seen == []


def test_names_and_keys_that_no_load_would_find_are_refused_before_the_keyring(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    keys = FakeKeys()
    with SecretBuffer(257) as long:
        bad: list[list[KeyToArm]] = [
            [],
            [two[0], two[0]],
            [replace(two[0], description="no-prefix")],
            [replace(two[0], description="k:" + "x" * 126)],
            [replace(two[0], key=long)],
            [replace(two[0], description=f"k:{number}") for number in range(129)],
        ]
        for wanted in bad[:-1]:
            assert _refused(fake, keys, wanted).errno == errno.EINVAL
        assert keys.there == {}
        assert _refused(fake, keys, bad[-1]).errno == errno.EINVAL
    assert (fake.seen, fake.kernel.status().named) == ([], ())


def test_a_kernel_without_the_interface_is_refused(tmp_path: Path, two: list[KeyToArm]) -> None:
    fake = FakeLinux(tmp_path)
    (tmp_path / INTERFACE).rename(tmp_path / "elsewhere")
    assert _refused(fake, FakeKeys(), two).errno == errno.ENOENT


def test_the_image_is_found_as_kdumps_tools_find_it(fake: FakeLinux) -> None:
    with pytest.raises(KernelError, match="--kernel"):
        find_image(fake.root, "6.17")
    fake.put("boot/vmlinuz-6.17", "")
    fake.put("boot/initramfs-6.17kdump.img", "")
    fake.put("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/dm-0 ro crashkernel=256M nr_cpus=1\n")
    image = find_image(fake.root, "6.17")
    assert image.initrd == fake.root / "boot/initramfs-6.17kdump.img"
    assert image.command_line == "root=/dev/dm-0 ro nr_cpus=1 irqpoll reset_devices panic=10"
