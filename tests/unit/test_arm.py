"""kdump arm: all keys or none, whatever fails, and whenever it is cut short."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fake_linux import IMAGE, FakeLinux
from kdumpkey.errors import KernelError, KeyNotFoundError, kernel_error
from kdumpkey.kdump.arm import KeyToArm, arm, ready
from kdumpkey.kernel.linux.find_image import find_image
from kdumpkey.kernel.linux.kernel import INTERFACE
from kdumpkey.kernel.protocol import CrashImage
from kdumpkey.kernel.record import KeyOrigin
from kdumpkey.secret import SecretBuffer

TIMEOUT_S = 300


@pytest.fixture
def fake(tmp_path: Path) -> FakeLinux:
    return FakeLinux(tmp_path)


@pytest.fixture
def two() -> Iterator[list[KeyToArm]]:
    with SecretBuffer(64) as one, SecretBuffer(32) as other:
        yield [KeyToArm("kdump-cryptsetup:vk-a", one), KeyToArm("kdump-cryptsetup:vk-b", other)]


def _arm(fake: FakeLinux, wanted: list[KeyToArm], timeout_s: int | None = None) -> list[str]:
    loaded = arm(fake.kernel, wanted, IMAGE, timeout_s=timeout_s)
    return [key.description for key in loaded.keys or ()]


def _refused(fake: FakeLinux, wanted: list[KeyToArm]) -> KernelError:
    with pytest.raises(KernelError) as caught:
        arm(fake.kernel, wanted, IMAGE)
    return caught.value


def test_all_keys_are_loaded_and_no_item_is_left(fake: FakeLinux, two: list[KeyToArm]) -> None:
    names = [each.description for each in two]
    assert _arm(fake, two) == names == fake.held
    assert fake.keys.there == dict.fromkeys(names, TIMEOUT_S)
    status = fake.kernel.status()
    assert (status.named, [key.description for key in status.keys or ()]) == ((), names)


def test_a_key_that_was_there_for_good_stays_and_a_timeout_that_was_asked_for_is_set(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    one, other = (each.description for each in two)
    fake.keys.add(one)
    _arm(fake, two)
    assert fake.keys.there == {one: 0, other: TIMEOUT_S}
    _arm(fake, two, timeout_s=7)
    assert fake.keys.there == {one: 7, other: 7}


def test_a_key_that_is_gone_after_the_load_is_a_warning_and_no_failure(
    fake: FakeLinux, two: list[KeyToArm], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(description: str, _timeout_s: int) -> None:
        raise KeyNotFoundError(description, errno.ENOKEY)

    monkeypatch.setattr(fake.keys, "expire", gone)
    loaded = arm(fake.kernel, two, IMAGE)
    assert (len(loaded.keys or ()), len(loaded.warnings)) == (2, 2)
    assert "the image is loaded" in loaded.warnings[0]


def test_a_key_that_is_in_the_keyring_already_is_loaded_as_it_is(fake: FakeLinux) -> None:
    there = [KeyToArm("k:a", None)]
    assert _refused(fake, there).errno == errno.ENOKEY
    fake.keys.add("k:a", 99)
    assert _arm(fake, there) == ["k:a"]
    assert fake.keys.there == {"k:a": 99}


def test_a_key_out_of_reach_is_found_before_the_old_image_is_lost(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    _arm(fake, two)
    for number in (errno.ENOKEY, errno.EKEYREVOKED, errno.EACCES):
        fake.keys.errnos = {two[1].description: number}
        assert _refused(fake, two).errno == number
        status = fake.kernel.status()
        assert (status.loaded, len(status.keys or ()), status.named) == (True, 2, ())


def test_a_failure_takes_the_keys_out_of_the_keyring_that_it_put_there(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    fake.keys.add(two[0].description)
    fake.refuse = [errno.ENOMEM]
    assert "No crash image is loaded now" in str(_refused(fake, two))
    assert list(fake.keys.there) == [two[0].description]
    assert (fake.held, fake.kernel.status().named) == (None, ())
    assert len(_arm(fake, two)) == 2


def test_an_image_that_a_failed_load_destroyed_is_loaded_again_from_the_record(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    _arm(fake, two[:1])
    fake.refuse = [errno.ENOMEM]
    error = _refused(fake, two)
    assert error.errno == errno.ENOMEM
    assert "The image from before is loaded again, with its 1 key." in str(error)
    assert fake.held == [two[0].description]
    status = fake.kernel.status()
    assert ([key.description for key in status.keys or ()], status.named) == (fake.held, ())


def test_what_is_loaded_again_is_recorded_with_the_key_that_is_in_the_keyring_now(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    before = KeyOrigin(two[0].description, "/dev/vda", "a", "of the key before")
    now = replace(before, fingerprint="of the key now")
    _arm(fake, [replace(two[0], origin=before)])
    fake.refuse = [errno.ENOMEM]
    assert "is loaded again" in str(_refused(fake, [replace(two[0], origin=now), two[1]]))
    record = fake.kernel.record()
    assert record is not None
    assert record.origins == (now,)


def test_a_load_that_is_not_allowed_leaves_the_image_and_what_is_known_of_it(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    _arm(fake, two)
    record = fake.kernel.record()

    def load(_image: CrashImage) -> None:
        raise kernel_error(errno.EPERM, "no")

    with pytest.raises(KernelError, match="still is"):
        arm(replace(fake.kernel, load_image=load), two, IMAGE)
    assert record is not None
    assert fake.kernel.record() == record


@pytest.mark.parametrize(("name", "value"), [("kexec_load_disabled", "1"), ("kexec_load_limit_panic", "0")])
def test_where_nothing_may_be_loaded_that_is_said_before_anybody_types_a_passphrase(
    fake: FakeLinux, two: list[KeyToArm], name: str, value: str
) -> None:
    _arm(fake, two)
    fake.put(f"proc/sys/kernel/{name}", f"{value}\n")
    with pytest.raises(KernelError, match=f"{name} is {value}") as caught:
        ready(fake.kernel)
    assert caught.value.errno == _refused(fake, two[:1]).errno == errno.EPERM
    assert len(fake.kernel.status().keys or ()) == 2


def test_an_image_whose_keys_are_gone_or_that_fails_too_is_said_to_be_lost(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    _arm(fake, two[:1])
    fake.keys.drop(two[0].description)
    fake.refuse = [errno.ENOMEM]
    error = _refused(fake, two[1:])
    assert "is in no keyring any more" in str(error)
    assert fake.held is None
    _arm(fake, two[:1])
    fake.refuse = [errno.ENOMEM, errno.ENOEXEC]
    assert "cannot be loaded again either: ENOEXEC" in str(_refused(fake, two))
    assert (fake.held, fake.kernel.status().loaded) == (None, False)


def test_another_place_is_drawn_where_the_first_leaves_no_room(fake: FakeLinux, two: list[KeyToArm]) -> None:
    fake.refuse = [errno.EADDRNOTAVAIL] * 7
    assert len(_arm(fake, two)) == 2
    fake.refuse = [errno.EADDRNOTAVAIL] * 16
    assert _refused(fake, two).errno == errno.EADDRNOTAVAIL
    assert fake.held is None


def test_items_that_a_killed_run_left_are_removed(fake: FakeLinux, two: list[KeyToArm]) -> None:
    fake.kernel.name("k:left", "kdumpkey-k_left")
    fake.make_item(fake.root / INTERFACE / "kdumpkey-half")
    fake.kernel.name(two[0].description)
    assert len(_arm(fake, two)) == 2
    assert fake.kernel.status().named == ()


def test_an_item_of_another_program_is_loaded_too_and_stays(fake: FakeLinux, two: list[KeyToArm]) -> None:
    fake.kernel.name("other:key")
    assert _refused(fake, two).errno == errno.ENOKEY
    fake.keys.add("other:key")
    assert sorted(_arm(fake, two)) == sorted(["other:key", *(each.description for each in two)])
    assert [key.description for key in fake.kernel.status().named] == ["other:key"]


def test_stale_reuse_items_without_description_and_the_kdump_kernel_are_refused(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    fake.put(f"{INTERFACE}/reuse", "1\n")
    assert _refused(fake, two).errno == errno.EINVAL
    fake.put(f"{INTERFACE}/reuse", "0\n")
    fake.make_item(fake.root / INTERFACE / "one")
    assert _refused(fake, two).errno == errno.EINVAL
    fake.put("proc/vmcore", "")
    assert _refused(fake, two).errno == errno.EPERM
    assert fake.seen == []


def test_names_and_keys_that_no_load_would_find_are_refused_before_the_keyring(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    with SecretBuffer(257) as long:
        bad: list[list[KeyToArm]] = [
            [],
            [two[0], two[0]],
            [replace(two[0], description="no-prefix")],
            [replace(two[0], description="k:" + "x" * 126)],
            [replace(two[0], key=long)],
            [replace(two[0], description=f"k:{number}") for number in range(129)],
        ]
        for wanted in bad:
            assert _refused(fake, wanted).errno == errno.EINVAL
            assert fake.keys.there == {}
    assert (fake.seen, fake.kernel.status().named) == ([], ())


def test_a_kernel_without_the_interface_is_refused(tmp_path: Path, two: list[KeyToArm]) -> None:
    fake = FakeLinux(tmp_path)
    (tmp_path / INTERFACE).rename(tmp_path / "elsewhere")
    assert _refused(fake, two).errno == errno.ENOENT


def test_only_one_arms_at_a_time_and_a_folder_of_somebody_elses_is_not_used(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    with fake.kernel.alone():
        assert _refused(fake, two).errno == errno.EBUSY
    folder = fake.root / "run/kdumpkey"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert _refused(fake, two).errno == errno.EPERM
    shutil.rmtree(folder)
    folder.symlink_to(fake.root)
    assert _refused(fake, two).errno in (errno.ELOOP, errno.ENOTDIR)


def test_a_load_by_another_program_meanwhile_is_not_taken_for_ours(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    def load(image: CrashImage) -> None:
        fake.load(image)
        fake.make_item(fake.root / INTERFACE / "intruder")

    kernel = replace(fake.kernel, load_image=load)
    with pytest.raises(KernelError) as caught:
        arm(kernel, two, IMAGE)
    assert caught.value.errno == errno.EAGAIN
    assert fake.kernel.status().keys is None


def test_a_kdumpctl_at_work_is_waited_for_and_one_that_comes_meanwhile_is_kept_out(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    lock = fake.put("run/lock/kdump", "")
    os.utime(lock, (900, 900))
    fake.put("etc/kdump.conf", "path /var/crash\n")
    with lock.open() as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(KernelError, match="kdumpctl is at work") as caught:
            arm(replace(fake.kernel, patience_s=0), two, IMAGE)
        assert (caught.value.errno, fake.seen) == (errno.EBUSY, [])
    seen: list[bool] = []

    def load(image: CrashImage) -> None:
        fake.load(image)
        with lock.open() as theirs, pytest.raises(BlockingIOError):
            fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(True)

    arm(replace(fake.kernel, load_image=load), two, IMAGE)
    assert (seen, lock.stat().st_mtime) == ([True], 900)
    assert fake.kernel.status().keys is not None


def test_a_kdumpctl_that_waited_while_this_loaded_has_loaded_after_it(
    fake: FakeLinux, two: list[KeyToArm]
) -> None:
    fake.put("etc/kdump.conf", "path /var/crash\n")
    times = iter(range(1000, 1010))

    def load(image: CrashImage) -> None:
        fake.load(image)
        os.utime(fake.root / "run/lock/kdump", (1000.5, 1000.5))  # it opened its lock, and waits

    (fake.root / "run/lock").mkdir()
    kernel = replace(fake.kernel, load_image=load, clock=lambda: float(next(times)))
    arm(kernel, two, IMAGE)
    status = fake.kernel.status()
    assert status.keys is None
    assert any("kdumpctl ran" in warning for warning in status.warnings)


def test_a_link_in_the_place_of_kdumpctls_lock_is_not_followed(fake: FakeLinux, two: list[KeyToArm]) -> None:
    fake.put("etc/kdump.conf", "")
    (fake.root / "run/lock").mkdir()
    (fake.root / "run/lock/kdump").symlink_to(fake.root / "made")
    _arm(fake, two)
    assert not (fake.root / "made").exists()


@pytest.mark.parametrize("trace", ["run/lock/kdump", "srv/dumps/kexec_cmd"])
def test_after_a_load_by_kdumps_tools_status_does_not_know_the_keys(
    fake: FakeLinux, two: list[KeyToArm], trace: str
) -> None:
    fake.put("etc/default/kdump-tools", "KDUMP_COREDIR=/srv/dumps\n")
    _arm(fake, two)
    os.utime(fake.put(trace, ""), (1001, 1001))
    status = fake.kernel.status()
    assert (status.keys, fake.kernel.record()) == (None, None)
    assert any("after the load that the record is of" in warning for warning in status.warnings)


def test_the_image_is_found_as_kdumps_tools_find_it(fake: FakeLinux) -> None:
    with pytest.raises(KernelError, match="--kernel"):
        find_image(fake.root, "6.17")
    fake.put("boot/vmlinuz-6.17", "")
    fake.put("boot/initramfs-6.17kdump.img", "")
    fake.put("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/dm-0 ro crashkernel=256M nr_cpus=1\n")
    image = find_image(fake.root, "6.17")
    assert image.initrd == fake.root / "boot/initramfs-6.17kdump.img"
    assert image.command_line == "ro nr_cpus=1 irqpoll reset_devices panic=10"


def test_a_passphrase_is_asked_for_by_nothing_on_the_command_line_but_kdump_tools_boots_its_root(
    fake: FakeLinux,
) -> None:
    fake.put("boot/vmlinuz-6.17", "")
    fake.put("boot/initramfs-6.17kdump.img", "")
    fake.put(
        "proc/cmdline",
        "root=/dev/mapper/luks-1 ro rd.luks.uuid=luks-1 rd.luks.name=1=x rd.lvm.lv=vg/root rd.md.uuid=2\n",
    )
    assert find_image(fake.root, "6.17").command_line.split()[0:2] == ["ro", "irqpoll"]
    fake.put("etc/sysconfig/kdump", 'KDUMP_COMMANDLINE_APPEND="root=/dev/vda1"\n')
    assert find_image(fake.root, "6.17").command_line == "ro root=/dev/vda1"
    fake.put("etc/default/kdump-tools", "USE_KDUMP=1\n")
    assert find_image(fake.root, "6.17").command_line.startswith("root=/dev/mapper/luks-1 ro rd.luks.uuid")


def test_the_settings_of_kdumps_tools_are_followed(fake: FakeLinux) -> None:
    fake.put("boot/vmlinuz-6.18", "")
    fake.put("boot/initramfs-6.18kdump.img", "")
    fake.put("proc/cmdline", "root=/dev/dm-0 quiet hugepages=3\n")
    fake.put(
        "etc/sysconfig/kdump",
        "# which\nKDUMP_KERNELVER='6.18'\nKDUMP_COMMANDLINE_REMOVE=\"quiet splash\"\n"
        'KDUMP_COMMANDLINE_APPEND="nr_cpus=1 panic=10"\nKDUMP_BOOTDIR=$(true)\nKDUMP_IMG="x\n'
        "KDUMP_KERNEL=/boot/{none}\n",
    )
    image = find_image(fake.root, "6.17")
    assert (image.kernel, image.command_line) == (
        fake.root / "boot/vmlinuz-6.18",
        "nr_cpus=1 panic=10",
    )
    fake.put("var/lib/kdump/initrd.img", "")
    fake.put("etc/default/kdump-tools", "KDUMP_INITRD=/var/lib/kdump/initrd.img\n")
    assert find_image(fake.root, "6.17").initrd == fake.root / "var/lib/kdump/initrd.img"
