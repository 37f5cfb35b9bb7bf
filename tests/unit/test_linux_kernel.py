"""Linux's interface through a tree of files that behaves as configfs does; no call reaches this kernel."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_linux import IMAGE, FakeLinux
from kdumpkey.errors import KernelError
from kdumpkey.kernel.linux.kernel import INTERFACE
from kdumpkey.kernel.protocol import CrashImage, HandOver, NamedKey, Stage
from kdumpkey.kernel.record import RECORD, LoadRecord, parse_record


@pytest.fixture
def fake(tmp_path: Path) -> FakeLinux:
    return FakeLinux(tmp_path)


def _refused(call: Callable[[], object]) -> int:
    with pytest.raises(KernelError) as caught:
        call()
    return caught.value.errno


def test_a_kernel_without_the_interface_says_so_and_refuses_to_name(fake: FakeLinux) -> None:
    shutil.rmtree(fake.root / INTERFACE)
    status = fake.kernel.status()
    assert (status.interface, status.named, status.stage) == (None, (), Stage.FIRST)
    assert "no keys over" in status.warnings[0]
    assert _refused(lambda: fake.kernel.name("kdump:a")) == errno.ENOENT


def test_a_key_is_named_by_an_item_with_its_description(fake: FakeLinux) -> None:
    named = fake.kernel.name("kdump-cryptsetup:vk-1")
    assert named == NamedKey("kdump-cryptsetup_vk-1", "kdump-cryptsetup:vk-1")
    assert (fake.root / INTERFACE / named.item / "description").read_text() == "kdump-cryptsetup:vk-1\n"
    assert fake.kernel.status().named == (named,)
    assert _refused(lambda: fake.kernel.name("kdump-cryptsetup:vk-1")) == errno.EEXIST
    fake.kernel.forget(named.item)
    assert fake.kernel.status().named == ()
    assert _refused(lambda: fake.kernel.forget("../count")) == errno.EINVAL


@pytest.mark.parametrize("description", ["", "k:" + "x" * 126, "k:a\nb"])
def test_descriptions_that_would_never_be_found_are_refused(fake: FakeLinux, description: str) -> None:
    assert _refused(lambda: fake.kernel.name(description)) == errno.EINVAL
    assert fake.kernel.status().named == ()


def test_a_description_of_127_bytes_is_taken(fake: FakeLinux) -> None:
    assert fake.kernel.name("k:" + "x" * 125).description == "k:" + "x" * 125


def test_the_129th_key_is_refused(fake: FakeLinux) -> None:
    for number in range(128):
        fake.kernel.name(f"k:{number}")
    assert _refused(lambda: fake.kernel.name("k:128")) == errno.EINVAL


@pytest.mark.parametrize("item", ["..", "a/b", "/etc"])
def test_an_item_is_made_nowhere_else(fake: FakeLinux, item: str) -> None:
    assert _refused(lambda: fake.kernel.name("k:a", item)) == errno.EINVAL


def test_a_load_records_what_the_image_holds(fake: FakeLinux) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    loaded = fake.kernel.load(IMAGE)
    assert [key.description for key in loaded.keys or ()] == ["k:a"]
    status = fake.kernel.status()
    assert (status.loaded, status.keys) == (True, loaded.keys)
    assert (fake.root / RECORD).stat().st_mode & 0o777 == 0o600
    fake.put("proc/sys/kernel/random/boot_id", "boot-2\n")
    assert fake.kernel.status().keys is None


def test_a_record_names_its_files_for_whoever_is_elsewhere(
    fake: FakeLinux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fake.root)
    fake.kernel.load(CrashImage(Path("bzImage"), Path("initrd")))
    record = fake.kernel.record()
    assert record is not None
    assert record.image is not None
    assert (record.image.kernel, record.image.initrd) == (f"{fake.root}/bzImage", f"{fake.root}/initrd")


def test_a_load_without_keys_warns(fake: FakeLinux) -> None:
    assert fake.kernel.load(IMAGE).warnings == ("no key is named: the image holds none",)
    assert fake.kernel.status().keys == ()


def test_after_a_failed_load_status_says_that_nothing_is_loaded(fake: FakeLinux) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    fake.kernel.load(IMAGE)
    fake.refuse = [errno.ENOKEY]
    assert _refused(lambda: fake.kernel.load_once(IMAGE)) == errno.ENOKEY
    status = fake.kernel.status()
    assert (status.loaded, status.keys) == (False, ())


def test_an_item_without_description_is_refused_before_the_image_is_lost(fake: FakeLinux) -> None:
    fake.kernel.load(IMAGE)
    fake.put(f"{INTERFACE}/one/description", "(null)\n")
    assert _refused(lambda: fake.kernel.load(IMAGE)) == errno.EINVAL
    assert fake.kernel.status().loaded


def test_a_load_by_somebody_else_leaves_the_keys_unknown(fake: FakeLinux) -> None:
    fake.put("sys/kernel/kexec_crash_loaded", "1\n")
    status = fake.kernel.status()
    assert status.keys is None
    assert "no record" in status.warnings[0]


def test_a_record_that_cannot_be_read_is_not_said_to_be_missing(fake: FakeLinux) -> None:
    fake.put("sys/kernel/kexec_crash_loaded", "1\n")
    (fake.root / RECORD).mkdir(parents=True)
    status = fake.kernel.status()
    assert status.keys is None
    assert "not for this user to read" in status.warnings[0]


def test_reuse_keeps_the_age_of_the_keys_or_says_that_it_knows_nothing(fake: FakeLinux) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    fake.kernel.load(IMAGE)
    fake.kernel.reuse(True)
    loaded = fake.kernel.load(IMAGE)
    assert loaded.reused
    assert [key.copied_at for key in loaded.keys or ()] == [1000.0]
    (fake.root / RECORD).unlink()
    assert fake.kernel.load(IMAGE).keys is None


def test_unload_takes_the_record_along(fake: FakeLinux) -> None:
    fake.kernel.load(IMAGE)
    fake.kernel.unload()
    assert not (fake.root / RECORD).exists()


def test_the_kdump_kernel_restores_and_names_nothing(fake: FakeLinux) -> None:
    assert _refused(fake.kernel.restore) == errno.EPERM
    for name in ("count", "reuse"):
        (fake.root / INTERFACE / name).unlink()
    restore = fake.put(f"{INTERFACE}/restore", "0\n")
    fake.put("proc/vmcore", "")
    assert _refused(lambda: fake.kernel.name("k:a")) == errno.EPERM
    assert fake.kernel.restore().keys is None
    assert restore.read_text().startswith("1")
    assert fake.kernel.status().restored


def test_no_crash_without_an_image(fake: FakeLinux) -> None:
    trigger = fake.put("proc/sysrq-trigger", "")
    assert _refused(fake.kernel.crash) == errno.EINVAL
    assert trigger.read_text() == ""


def test_a_record_reads_as_it_was_written_and_junk_is_none() -> None:
    record = LoadRecord("b", 1.5, ("k:a", "k:ü"), reserved_bytes=256 << 20)
    assert parse_record(record.to_text()) == record
    for junk in ("", "[]", "{", '{"version": 2}', "[" * 100_000, record.to_text().replace("1.5", '"x"')):
        assert parse_record(junk) is None


def _armed(fake: FakeLinux) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    fake.kernel.load(IMAGE)


def test_only_a_record_of_this_boot_this_size_and_this_load_makes_the_hand_over_sure(fake: FakeLinux) -> None:
    assert fake.kernel.status().hand_over is HandOver.NOT_LOADED
    _armed(fake)
    assert fake.kernel.status().hand_over is HandOver.LOADED
    record = (fake.root / RECORD).read_text()
    for untrue in (
        record.replace("boot-1", "boot-0"),
        record.replace(f"{256 << 20}", f"{128 << 20}"),
        record.replace("reserved_bytes", "of old"),
        record.replace('"reserved_bytes": ', '"reserved_bytes": -'),
        "",
    ):
        assert untrue != record
        (fake.root / RECORD).write_text(untrue)
        assert fake.kernel.status().hand_over is HandOver.UNKNOWN
    (fake.root / RECORD).write_text(record)
    assert fake.kernel.status().hand_over is HandOver.LOADED
    fake.put("run/lock/kdump", "")
    assert fake.kernel.status().hand_over is HandOver.UNKNOWN


def test_an_image_without_keys_and_an_unloaded_one_are_known_to_hand_nothing_over(fake: FakeLinux) -> None:
    fake.kernel.load(IMAGE)
    assert fake.kernel.status().hand_over is HandOver.NOT_LOADED
    fake.kernel.unload()
    assert fake.kernel.status().hand_over is HandOver.NOT_LOADED


def test_a_kernel_that_does_not_say_whether_it_has_an_image_leaves_it_unknown(fake: FakeLinux) -> None:
    for text in ("", "yes\n"):
        fake.put("sys/kernel/kexec_crash_loaded", text)
        assert fake.kernel.status().hand_over is HandOver.UNKNOWN
    (fake.root / "sys/kernel/kexec_crash_loaded").unlink()
    assert fake.kernel.status().hand_over is HandOver.NOT_LOADED  # this kernel has no kexec


def test_the_new_names_of_kexecs_files_in_sysfs_are_read_where_they_are(fake: FakeLinux) -> None:
    for name, text in (("crash_loaded", "1\n"), ("crash_size", f"{512 << 20}\n")):
        (fake.root / f"sys/kernel/kexec_{name}").unlink()
        fake.put(f"sys/kernel/kexec/{name}", text)
    status = fake.kernel.status()
    assert (status.loaded, status.reserved_bytes) == (True, 512 << 20)
