"""The kdump commands on Linux's own interface, which a tree of files stands for."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from both import ours
from fake_linux import IMAGE, FakeLinux
from kdumpkey.cli.main import main
from kdumpkey.kdump.freshness import origin_of
from kdumpkey.kernel.linux.kernel import INTERFACE
from kdumpkey.luks.device import open_luks
from kdumpkey.streams import Streams

_UUID = "0f4f4f9d-7f0e-4d39-9d3d-3c0f9a4f5b11"
_NAME = f"kdump-cryptsetup:vk-{_UUID}"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLinux:
    made = FakeLinux(tmp_path)
    monkeypatch.setattr("kdumpkey.kernel.linux.kernel.LinuxKernel", lambda: made.kernel)
    return made


def _run(tmp_path: Path, *words: str, **environment: str) -> tuple[int, str, str]:
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        streams = Streams(
            os.open(os.devnull, os.O_RDONLY), stdout.fileno(), stderr.fileno(), environment=environment
        )
        try:
            code = main(["kdump", *words], streams)
        finally:
            os.close(streams.stdin)
    return code, out.read_text(), err.read_text()


def test_status_says_what_the_record_says(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    fake.kernel.load(IMAGE)
    code, out, _ = _run(tmp_path, "status")
    assert code == 0
    assert "Image:        loaded 0 s ago\n" in out
    assert "Holds key:    k:a (copied 0 s ago), by the record of its load\n" in out
    _, out, _ = _run(tmp_path, "status", "--json")
    found = json.loads(out)
    assert (found["machine"], found["holds_keys"], found["keys"][0]["description"]) == ("linux", True, "k:a")


def test_status_of_an_image_that_somebody_else_loaded_is_unknown(fake: FakeLinux, tmp_path: Path) -> None:
    fake.put("sys/kernel/kexec_crash_loaded", "1\n")
    code, out, _ = _run(tmp_path, "status")
    assert (code, "Holds key:    UNKNOWN" in out) == (10, True)
    assert json.loads(_run(tmp_path, "status", "--json")[1])["holds_keys"] is None


def test_status_without_an_image_says_what_a_crash_would_do(fake: FakeLinux, tmp_path: Path) -> None:
    code, out, _ = _run(tmp_path, "status")
    assert (code, "a crash would leave no dump" in out) == (1, True)
    assert not fake.kernel.status().loaded


def test_reuse_forget_and_unload_reach_the_interface(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    item = fake.kernel.name("k:a").item
    fake.kernel.load(IMAGE)
    assert _run(tmp_path, "reuse", "on")[0] == 0
    assert fake.kernel.status().reuse
    assert _run(tmp_path, "forget", item)[0] == 0
    assert fake.kernel.status().named == ()
    assert _run(tmp_path, "unload")[0] == 0
    assert not fake.kernel.status().loaded


def test_restore_is_refused_in_the_first_kernel(fake: FakeLinux, tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, "restore")
    assert (code, err) == (2, "EPERM: this is not the kdump kernel\n")
    assert not (fake.root / INTERFACE / "restore").exists()


def test_a_named_machine_goes_before_this_kernel(fake: FakeLinux, tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, "status", "--machine", str(tmp_path / "none"))
    assert code != 0
    assert "none" in err
    assert not fake.kernel.status().loaded


def _load(tmp_path: Path, *more: str) -> tuple[int, str, str]:
    return _run(tmp_path, "load", "--kernel", "/k", "--initrd", "/i", "--command-line", "panic=10", *more)


def test_a_key_is_named_by_its_name_alone_and_loaded(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    fake.keys.add("k:b")
    assert _run(tmp_path, "name", "k:a")[:2] == (0, "k:a will be handed over with the next load.\n")
    code, out, _ = _run(tmp_path, "name", "--key-description", "k:b", "--json")
    told = {"machine": "linux", "stage": "first-kernel", "item": "k_b", "description": "k:b", "warnings": []}
    assert (code, json.loads(out)) == (0, told)
    said = "Loaded /k with 2 keys, from the keyring.\n  k:a (copied 0 s ago)\n  k:b (copied 0 s ago)\n"
    assert _load(tmp_path) == (0, said, "")
    _, out, _ = _load(tmp_path, "--json")
    assert [key["description"] for key in json.loads(out)["keys"]] == ["k:a", "k:b"]
    assert fake.held == ["k:a", "k:b"]


def test_a_device_is_unlocked_to_be_named_and_its_key_leaves_after_300_s(
    fake: FakeLinux, tmp_path: Path
) -> None:
    device, key_file = tmp_path / "luks", tmp_path / "pass"
    key_file.write_bytes(b"pass")
    device.write_bytes(bytes(20 << 20))
    cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    assert ours(["luksFormat", "-q", *cheap, "--uuid", _UUID, device, key_file]).code == 0
    assert _run(tmp_path, "name", str(device), "--key-file", str(key_file))[0] == 0
    assert fake.keys.there == {_NAME: 300}
    assert [key.description for key in fake.kernel.status().named] == [_NAME]
    fake.keys.add(_NAME)  # as crypttab has it linked, for good
    fake.kernel.forget(fake.kernel.status().named[0].item)
    assert _run(tmp_path, "name", str(device), "--key-file", str(key_file))[0] == 0
    assert fake.keys.there == {_NAME: 0}
    key_file.write_bytes(b"wrong")
    assert _run(tmp_path, "name", str(device), "--key-file", str(key_file))[0] == 2


def test_a_key_that_cannot_be_had_is_refused_and_the_image_stays(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    _run(tmp_path, "name", "k:a")
    _load(tmp_path)
    fake.keys.drop("k:a")
    code, _, err = _load(tmp_path)
    assert (code, fake.held) == (1, ["k:a"])
    assert "Required key not available" in err


def test_a_load_that_fails_says_what_is_loaded_now(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    _run(tmp_path, "name", "k:a")
    fake.refuse = [errno.ENOMEM]
    code, _, err = _load(tmp_path)
    assert (code, "No crash image is loaded now" in err) == (3, True)


def test_this_machine_is_crashed_by_nobody_who_did_not_ask_for_just_that(
    fake: FakeLinux, tmp_path: Path
) -> None:
    trigger = fake.put("proc/sysrq-trigger", "")
    fake.kernel.load(IMAGE)
    for words, code in (
        ((), 1),
        (("--batch-mode",), 1),
        (("--this-machine",), 2),
    ):
        assert _run(tmp_path, "crash", *words)[0] == code
    assert trigger.read_text() == ""
    assert _run(tmp_path, "crash", "--this-machine", "--batch-mode")[0] == 0
    assert trigger.read_text() == "c"


def test_audit_shows_what_lies_about_and_how_to_be_rid_of_it(fake: FakeLinux, tmp_path: Path) -> None:
    fake.put(
        "proc/keys",
        f"06a5b3c4 I--Q---     1 perm 3f010000     0     0 user      {_NAME}: 64\n"
        f"06a5b3c5 I--Q---     1   4m 3f010000     0     0 logon     {_NAME}: 64\n"
        "06a5b3c6 I--Q---     1 perm 3f010000     0     0 user      other: 64\n",
    )
    fake.keys.add("k:a")
    item = fake.kernel.name("k:a").item
    fake.kernel.load(IMAGE)
    fake.kernel.reuse(True)
    (fake.root / "run/kdumpkey").chmod(0o755)
    _, out, _ = _run(tmp_path, "audit", "--json")
    found = json.loads(out)["found"]
    problems = " ".join(each["what"] + each["fix"] for each in found if each["problem"])
    for words in (f"kdump forget {item}", "reuse off", f"purge user {_NAME}", "has the mode 755"):
        assert words in problems
    assert "The loaded image holds k:a" in out
    assert "logon key, for another 4m; only the kernel can read it" in out
    assert "other" not in [each["what"].split()[5] for each in found if "keyring of" in each["what"]]
    assert f"Fix: kdumpkey kdump forget {item}" in _run(tmp_path, "audit")[1]


def test_a_key_that_another_user_named_is_no_command_to_the_shell_or_the_terminal(
    fake: FakeLinux, tmp_path: Path
) -> None:
    name = 'kdump-cryptsetup:vk-"$(reboot)\x1b[2J'
    line = f"06a5b3c4 I--Q---     1 perm 3f3f3f3f  1000  1000 user      {name}: 64\n"
    fake.put("proc/keys", line)
    out = _run(tmp_path, "audit")[1]
    assert "\x1b" not in out
    assert "Fix: keyctl purge user 'kdump-cryptsetup:vk-\"$(reboot)\\x1b[2J'" in out


def test_status_says_which_kernel_it_is_about_and_why(fake: FakeLinux, tmp_path: Path) -> None:
    assert (
        "Chosen:       no simulated machine was named, and this kernel has the interface\n"
        in (_run(tmp_path, "status")[1])
    )
    (fake.root / INTERFACE).rename(tmp_path / "gone")
    out = _run(tmp_path, "status")[1]
    if "this one: first kernel, no interface" not in out:  # where a simulated machine has its usual place
        assert "policy" in out
    assert "this kernel has no /sys/kernel/config/crash_dm_crypt_keys" in " ".join(out.split())


def test_configfs_that_cannot_be_mounted_or_has_no_interface_is_said(fake: FakeLinux, tmp_path: Path) -> None:
    (fake.root / INTERFACE).rename(tmp_path / "gone")
    fake.put("proc/mounts", "configfs /sys/kernel/config configfs rw 0 0\n")
    code, _, err = _run(tmp_path, "status", "--mount-configfs")
    assert (code, "CONFIG_CRASH_DM_CRYPT" in err) == (1, True)
    fake.put("proc/mounts", "")
    (fake.root / "sys/kernel/config").rmdir()
    assert "modprobe configfs" in _run(tmp_path, "status", "--mount-configfs")[2]


def test_status_calls_keys_of_an_erased_device_stale(fake: FakeLinux, tmp_path: Path) -> None:
    device = tmp_path / "luks"
    device.write_bytes(bytes(20 << 20))
    cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    assert ours(["luksFormat", "-q", *cheap, "--uuid", _UUID, device], b"pass").code == 0
    with open_luks(device) as luks, luks.unlock(b"pass") as opened:
        origin = origin_of(luks, opened.volume_key, _NAME, str(device))
    fake.keys.add(_NAME)
    fake.kernel.name(_NAME)
    inside = fake.root / str(device).lstrip("/")
    inside.parent.mkdir(parents=True)
    device.rename(inside)
    fake.kernel.load(IMAGE, [origin])
    assert json.loads(_run(tmp_path, "status", "--json")[1])["stale"] is False
    assert ours(["luksErase", "-q", inside]).code == 0
    found = json.loads(_run(tmp_path, "status", "--json")[1])
    assert (found["stale"], found["keys"][0]["state"]) == (True, "stale")
    code, out, _ = _run(tmp_path, "status")
    assert code == 1
    assert "Hand-over:    STALE, 1 of its keys" in out
    assert "erased" in out


def test_status_of_a_record_of_another_reserved_memory_is_unknown(fake: FakeLinux, tmp_path: Path) -> None:
    fake.keys.add("k:a")
    fake.kernel.name("k:a")
    fake.kernel.load(IMAGE)
    fake.put("sys/kernel/kexec_crash_size", f"{512 << 20}\n")
    code, out, _ = _run(tmp_path, "status", "--json")
    assert (code, json.loads(out)["hand_over"]) == (10, "unknown")
