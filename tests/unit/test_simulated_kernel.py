"""The simulated kernel answers what the lab's real one did, errno for errno."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpkey.errors import KernelError
from kdumpkey.kernel.protocol import Stage
from kdumpkey.kernel.simulated.machine import MachineConfig, boot, opened
from kdumpkey.keyring.service import Permission
from kdumpkey.region.model import ImageSizes, Policy
from machines import IMAGE, MIB, SMALL, Bench

NAME = "kdump-cryptsetup:vk-1"
KEY = bytes(range(1, 65))


@pytest.fixture
def upstream(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "machine", Policy.UPSTREAM)


@pytest.fixture
def hardened(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "machine", Policy.HARDENED)


@pytest.fixture(params=[Policy.UPSTREAM, Policy.HARDENED], ids=lambda policy: policy.value)
def merged(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    return Bench(tmp_path / "machine", request.param)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(KernelError) as raised:
        call()
    return errno.errorcode[raised.value.errno]


def restored(bench: Bench) -> dict[str, bytes]:
    with bench.open() as machine:
        names = machine.kernel.restore().keys or ()
        found = {}
        for name in names:
            serial = machine.keyrings.request(machine.process, "user", name)
            with machine.keyrings.read(machine.process, serial) as payload:
                found[name] = bytes(memoryview(payload))
        return found


def test_a_key_comes_back_after_the_crash(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    loaded = merged.load()
    assert [key.description for key in loaded.keys or ()] == [NAME]
    merged.crash()
    assert restored(merged) == {NAME: KEY}
    with merged.open() as machine:
        assert machine.state.command_line == f"panic=10 dmcryptkeys={loaded.address:#x}"


def test_many_keys_come_back_in_their_order(merged: Bench) -> None:
    keys = {f"kdump:{number}": bytes([number + 1]) * 32 for number in range(128)}
    for name, key in keys.items():
        merged.add(name, key)
        merged.name(name)
    merged.load()
    merged.crash()
    assert list(restored(merged).items()) == list(keys.items())


def test_what_each_stage_does_not_offer_is_refused(upstream: Bench) -> None:
    with upstream.open() as machine:
        assert refusal(machine.kernel.restore) == "EPERM"
        assert refusal(machine.kernel.crash) == "EINVAL"
    upstream.load()
    upstream.crash()
    with upstream.open() as machine:
        kernel = machine.kernel
        for call in (lambda: kernel.name(NAME), lambda: kernel.load(IMAGE), kernel.unload, kernel.crash):
            assert refusal(call) == "EPERM"


@pytest.mark.parametrize("description", ["", "\nafter", "x" * 129, "é" * 65])
def test_a_description_that_cannot_be_is_einval(merged: Bench, description: str) -> None:
    with merged.open() as machine:
        assert refusal(lambda: machine.kernel.name(description)) == "EINVAL"
        assert not machine.state.items


def test_text_after_a_newline_is_ignored_and_a_trailing_space_kept(merged: Bench) -> None:
    with merged.open() as machine:
        assert machine.kernel.name("a:b \nmore").description == "a:b "


def test_a_description_of_128_is_cut_and_never_found(upstream: Bench) -> None:
    name = "a:" + "x" * 126
    upstream.add(name, KEY)
    upstream.name(name)
    assert refusal(upstream.load) == "ENOKEY"


def test_a_description_of_128_is_refused_when_hardened(hardened: Bench) -> None:
    assert refusal(lambda: hardened.name("a:" + "x" * 126)) == "EINVAL"


def test_an_item_without_description_fails_the_load(merged: Bench) -> None:
    with merged.open() as machine:
        machine.kernel.make_item("empty")
        assert refusal(lambda: machine.kernel.make_item("empty")) == "EEXIST"
    assert refusal(merged.load) == "EINVAL"


def test_an_item_that_is_not_there_is_enoent(merged: Bench) -> None:
    with merged.open() as machine:
        assert refusal(lambda: machine.kernel.forget("nothing")) == "ENOENT"


def spoil_missing(bench: Bench) -> None:
    bench.name(NAME)


def spoil_expired(bench: Bench) -> None:
    serial = bench.add(NAME, KEY)
    bench.name(NAME)
    with bench.open() as machine:
        machine.keyrings.set_timeout(machine.process, serial, 300)
    bench.now += 300


def spoil_revoked(bench: Bench) -> None:
    serial = bench.add(NAME, KEY)
    bench.name(NAME)
    with bench.open() as machine:
        machine.keyrings.revoke(machine.process, serial)


def spoil_permission(bench: Bench) -> None:
    serial = bench.add(NAME, KEY)
    bench.name(NAME)
    with bench.open() as machine:
        machine.keyrings.set_permissions(machine.process, serial, Permission.VIEW << 24)


def spoil_type(bench: Bench) -> None:
    bench.add(NAME, KEY, "user")
    bench.name(NAME)


def spoil_length(bench: Bench) -> None:
    bench.add(NAME, bytes(257))
    bench.name(NAME)


FAILURES = [
    (spoil_missing, "ENOKEY"),
    (spoil_expired, "ENOKEY"),
    (spoil_revoked, "EKEYREVOKED"),
    (spoil_permission, "EACCES"),
    (spoil_type, "ENOKEY"),
    (spoil_length, "EINVAL"),
]


@pytest.mark.parametrize(("spoil", "number"), FAILURES, ids=lambda value: getattr(value, "__name__", value))
def test_a_key_that_cannot_be_had_fails_the_load_and_loses_the_image_before(
    merged: Bench, spoil: Callable[[Bench], None], number: str
) -> None:
    merged.load()
    spoil(merged)
    assert refusal(merged.load) == number
    with merged.open() as machine:
        assert not machine.kernel.status().loaded


def test_a_session_without_link_to_the_user_keyring_does_not_find_the_key(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    assert refusal(lambda: merged.load("fresh")) == "ENOKEY"
    with merged.open("fresh") as machine:
        machine.keyrings.link(machine.process, -4, -3)
    assert merged.load("fresh").keys


def test_no_room_is_eaddrnotavail(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine", Policy.HARDENED, reserved=2 * MIB)
    assert refusal(bench.load) == "EADDRNOTAVAIL"


def test_nothing_named_loads_in_silence_and_hands_nothing_over(upstream: Bench) -> None:
    assert upstream.load().keys == ()
    upstream.crash()
    with upstream.open() as machine:
        assert machine.state.command_line == "panic=10"
        assert machine.kernel.restore().keys == ()


def test_hardened_surfaces_that_nothing_was_handed_over(hardened: Bench) -> None:
    hardened.load()
    hardened.crash()
    with hardened.open() as machine:
        assert refusal(machine.kernel.restore) == "ENODATA"


def test_129_keys_load_and_do_not_come_back(upstream: Bench) -> None:
    for number in range(129):
        upstream.add(f"k:{number}", KEY)
        upstream.name(f"k:{number}")
    assert refusal(lambda: upstream.name("k:130")) == "EINVAL"
    assert len(upstream.load().keys or ()) == 129
    upstream.crash()
    assert restored(upstream) == {}


def test_hardened_refuses_the_129th_key(hardened: Bench) -> None:
    for number in range(128):
        hardened.name(f"k:{number}")
    assert refusal(lambda: hardened.name("k:129")) == "EINVAL"


def test_reuse_needs_loaded_keys_and_asks_no_keyring(merged: Bench) -> None:
    with merged.open() as machine:
        assert refusal(lambda: machine.kernel.reuse(True)) == "EINVAL"
    serial = merged.add(NAME, KEY)
    merged.name(NAME)
    merged.load()
    with merged.open() as machine:
        machine.kernel.reuse(True)
        machine.keyrings.unlink(machine.process, serial, -4)
    assert merged.load().reused
    assert merged.load().reused  # and again, from a third place
    with merged.open() as machine:
        machine.kernel.reuse(False)
    assert refusal(merged.load) == "ENOKEY"


def test_reuse_with_all_items_removed_loads_no_keys(upstream: Bench) -> None:
    upstream.add(NAME, KEY)
    upstream.name(NAME)
    upstream.load()
    with upstream.open() as machine:
        machine.kernel.reuse(True)
        machine.kernel.forget(machine.state.items[0].item)
    assert upstream.load().keys == ()


def test_restore_works_again_only_after_a_reboot_of_the_kdump_kernel(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    merged.load()
    merged.crash()
    assert restored(merged) == restored(merged) == {NAME: KEY}


def test_a_damaged_record_is_silence_upstream_and_ebadmsg_hardened(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    address = merged.load().address
    merged.crash()
    assert address is not None
    with merged.open() as machine:
        machine.kernel.region.write(address + 4, b"\xff\xff\xff\xff")
        if machine.state.policy is Policy.HARDENED:
            assert refusal(machine.kernel.restore) == "EBADMSG"
        else:
            assert machine.kernel.restore().keys == ()


def test_status_says_what_is_in_the_image_and_how_old(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    with merged.open() as machine:
        assert "no crash image is loaded: a crash would leave no dump" in machine.kernel.status().warnings
    merged.load()
    copied = merged.now
    merged.now += 60
    merged.add(NAME, KEY[::-1])
    with merged.open() as machine:
        status = machine.kernel.status()
    assert [(key.description, key.nbytes, key.copied_at) for key in status.keys or ()] == [(NAME, 64, copied)]
    assert status.warnings == (f"{NAME} was changed after the image was loaded: load again",)


def test_v1_hands_one_key_over_and_a_missing_one_does_not_fail_the_load(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine", Policy.V1)
    assert refusal(lambda: bench.name(NAME)) == "ENOKEY"
    bench.add(NAME, KEY)
    bench.name(NAME)
    bench.now += 3601
    assert bench.load().keys == ()
    bench.name(NAME)
    assert len(bench.load().keys or ()) == 1
    bench.crash()
    with bench.open() as machine:
        assert refusal(machine.kernel.restore) == "EINVAL"
        assert machine.kernel.restore(NAME).keyring == "@t"
        serial = machine.keyrings.request(machine.process, "logon", NAME)
        assert machine.keyrings.payload(serial).equals(KEY)
    with bench.open() as machine, pytest.raises(Exception, match="was not found"):
        machine.keyrings.request(machine.process, "logon", NAME)  # the thread keyring went with its process


def test_v1_without_a_key_is_einval_in_the_kdump_kernel(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "machine", Policy.V1)
    bench.load()
    bench.crash()
    with bench.open() as machine:
        assert refusal(lambda: machine.kernel.restore(NAME)) == "EINVAL"


def test_upstream_leaves_stale_copies_and_hardened_does_not(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    for _ in range(4):
        merged.load()
    with merged.open() as machine:
        stale = machine.state.policy is Policy.UPSTREAM
    assert (merged.files()["region"].count(KEY) > 1) is stale
    with merged.open() as machine:
        machine.kernel.unload()
    assert (KEY in merged.files()["region"]) is stale


def test_nothing_of_the_first_kernel_outlives_the_crash_but_the_region(merged: Bench) -> None:
    other = bytes(range(100, 164))
    merged.add(NAME, KEY)
    merged.add("k:other", other)
    merged.name(NAME)
    merged.load()
    merged.crash()
    files = merged.files()
    assert not any(other in content for content in files.values())
    assert [name for name, content in files.items() if KEY in content] == ["region"]


def test_a_reboot_clears_memory(merged: Bench) -> None:
    merged.add(NAME, KEY)
    merged.name(NAME)
    merged.load()
    merged.crash()
    restored(merged)
    with merged.open() as machine:
        machine.reboot()
    assert not any(KEY in content for content in merged.files().values())
    with merged.open() as machine:
        assert (machine.state.stage, machine.state.boot) == (Stage.FIRST, 2)


def test_upstream_loses_loads_where_hardened_does_not(tmp_path: Path) -> None:
    sizes = ImageSizes(kernel=70 * MIB, initrd=60 * MIB)
    refused = {}
    for policy in (Policy.UPSTREAM, Policy.HARDENED):
        path = tmp_path / policy.value
        boot(path, MachineConfig(policy, reserved_bytes=160 * MIB, sizes=sizes))
        with opened(path) as machine:
            machine.keyrings.add(machine.process, "logon", NAME, KEY, -4)
            machine.kernel.name(NAME)
            failed = 0
            for _ in range(40):
                try:
                    machine.kernel.load(IMAGE)
                except KernelError as error:
                    failed += error.errno == errno.EADDRNOTAVAIL
            refused[policy] = failed
    assert 5 <= refused[Policy.UPSTREAM] <= 30  # 41 % of 40
    assert refused[Policy.HARDENED] == 0


def test_files_are_the_owners_alone(upstream: Bench) -> None:
    upstream.load()
    assert os.stat(upstream.path).st_mode & 0o777 == 0o700
    assert {
        os.stat(path).st_mode & 0o077 for path in upstream.path.iterdir() if path.name != "state.json"
    } == {0}


def test_sizes_are_bounded(tmp_path: Path) -> None:
    assert SMALL.initrd
    with pytest.raises(Exception, match="whole pages"):
        boot(tmp_path / "m", MachineConfig(reserved_bytes=5000))
