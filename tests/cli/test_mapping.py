"""open, close, status and unlock --map through `main`, in the words of cryptsetup 2.6.1, on a real kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from both import Result, ours
from fake_dmsetup import FakeDmsetup, where_every_file_is_a_device
from kdumpkey import keyring
from kdumpkey.errors import DeviceMapperError
from kdumpkey.keyring import SpecialKeyring
from kdumpkey.mapping import dmsetup
from kdumpkey.mapping.dmsetup import DeviceMapper

PASSPHRASE = b"correct horse"
OPEN = ["open", "-d", "-"]
KEY = ":64:logon:cryptsetup:ec3b428f-dfdb-4dd5-b365-449b8802054c-d0"
TABLE = f"0 16384 crypt aes-xts-plain64 {KEY} 0 7:99 32768"
ACTIVE = """\
/dev/mapper/{name} is active{used}.
  type:    {type}
  cipher:  aes-xts-plain64
  keysize: 512 bits
  key location: {location}
  device:  7:99
  sector size:  {sector_size}
  offset:  32768 sectors
  size:    16384 sectors
  mode:    {mode}
"""


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDmsetup:
    made = where_every_file_is_a_device(tmp_path, monkeypatch)
    monkeypatch.setattr(DeviceMapper, "find", lambda *_: made.mapper)
    return made


@pytest.mark.parametrize("name", ["luks1.img", "luks2.img"])
def test_open_status_close(fake: FakeDmsetup, name: str) -> None:
    assert ours([*OPEN, name, "data"], PASSPHRASE) == Result(0, "", "")
    assert fake.names == ["data"]
    shown = ours(["status", "data"])
    assert shown.code == 0
    assert shown.out.startswith("/dev/mapper/data is active.\n  type:    LUKS")
    assert ours(["luksClose", "data"]) == Result(0, "", "")
    assert fake.names == []
    assert ours(["status", "data"]) == Result(4, "/dev/mapper/data is inactive.\n", "")


def test_unlock_maps_and_says_where(fake: FakeDmsetup) -> None:
    words = ["unlock", "luks2.img", "-d", "-", "--map", "data", "--readonly", "--allow-discards", "--json"]
    done = ours(words, PASSPHRASE)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["map"] == "/dev/mapper/data"
    create = next(call for call in fake.log if call["argv"][1] == "create")
    assert "--readonly" in create["argv"]
    assert " allow_discards" in create["stdin"]


@pytest.mark.parametrize("source", ["--volume-key-file", "--volume-key-keyring"])
def test_a_volume_key_maps_too(fake: FakeDmsetup, source: str) -> None:
    value = "luks2.img.vk"
    if source == "--volume-key-keyring":
        serial = keyring.add_key("user", "kdumpkey-test:vk", Path(value).read_bytes(), SpecialKeyring.PROCESS)
        value = "kdumpkey-test:vk"
    try:
        assert ours(["open", "luks2.img", "data", source, value]) == Result(0, "", "")
    finally:
        if source == "--volume-key-keyring":
            keyring.unlink_key(serial, SpecialKeyring.PROCESS)
    assert fake.names == ["data"]


def test_a_wrong_passphrase_maps_nothing(fake: FakeDmsetup) -> None:
    refused = Result(2, "", "No key available with this passphrase.\n")
    assert ours([*OPEN, "luks2.img", "data"], b"wrong") == refused
    assert fake.names == []


def test_a_name_that_is_taken_is_said_before_the_key_file_is_read(fake: FakeDmsetup) -> None:
    fake.put("data", "", 0, "L--w", TABLE)
    done = ours(["open", "luks2.img", "data", "-d", "/nonexistent"])
    assert done == Result(5, "", "Device data already exists.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--refresh"], "kdumpkey does not do open --refresh; cryptsetup does.\n"),
        (
            ["--disable-keyring"],
            "kdumpkey gives dm-crypt a key by the kernel's keyring alone, never in the table.\n",
        ),
        (["--type", "plain"], "kdumpkey does not open plain devices; cryptsetup does.\n"),
    ],
)
def test_what_is_not_done_is_refused(fake: FakeDmsetup, words: list[str], said: str) -> None:
    assert ours([*OPEN, "luks2.img", "data", *words], PASSPHRASE) == Result(1, "", said)
    assert fake.names == []


def test_persistent_flags_are_those_of_the_next_time(fake: FakeDmsetup, tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(Path("luks2.img").read_bytes())

    def options_of(*words: str) -> str:
        assert ours([*OPEN, device, "data", *words], PASSPHRASE) == Result(0, "", "")
        table = next(call["stdin"] for call in reversed(fake.log) if call["argv"][1] == "create")
        assert ours(["close", "data"]) == Result(0, "", "")
        return " ".join(str(table).split()[8:])

    def flags() -> object:
        return json.loads(ours(["luksDump", "--dump-json-metadata", device]).out)["config"].get("flags")

    bare = options_of()
    first = options_of("--persistent", "--allow-discards", "--perf-no_write_workqueue")
    assert {*first.split()} > {"allow_discards", "no_write_workqueue"}
    assert flags() == ["allow-discards", "no-write-workqueue"]
    assert options_of() == first
    assert "same_cpu_crypt" in options_of("--perf-same_cpu_crypt")
    assert flags() == ["allow-discards", "no-write-workqueue"]
    assert "allow_discards" not in options_of("--persistent", "--perf-no_read_workqueue")
    assert flags() == ["no-read-workqueue"]
    assert options_of("--persistent") == bare
    assert flags() == []


def test_a_device_is_open_also_where_its_flags_cannot_be_kept(fake: FakeDmsetup) -> None:
    done = ours([*OPEN, "luks1.img", "data", "--persistent", "--allow-discards"], PASSPHRASE)
    assert done.code == 0
    assert done.err.endswith("Device activated but cannot make flags persistent.\n")
    assert fake.names == ["data"]


def test_without_a_name_nothing_is_mapped(fake: FakeDmsetup) -> None:
    said = "Command requires device and mapped name as arguments.\n"
    assert ours([*OPEN, "luks2.img"], PASSPHRASE) == Result(1, "", said)
    assert fake.log == []


@pytest.mark.parametrize("more", [["--to", "x"], ["--test"], ["--unbound"]])
def test_map_goes_with_nothing_that_leads_elsewhere(fake: FakeDmsetup, more: list[str]) -> None:
    assert ours(["unlock", "luks2.img", "--map", "data", *more], PASSPHRASE).code == 1
    assert fake.log == []


def test_close_in_cryptsetups_words(fake: FakeDmsetup) -> None:
    fake.put("data", "CRYPT-LUKS2-ec-data", 1, "L--w", TABLE)
    assert ours(["close", "data"]) == Result(5, "", "Device data is still in use.\n")
    later = "Device data is still active and scheduled for deferred removal.\n"
    assert ours(["close", "--deferred", "data"]) == Result(0, later, "")
    assert ours(["remove", "--cancel-deferred", "data"]) == Result(0, "", "")
    both = "Options --cancel-deferred and --deferred cannot be used at the same time.\n"
    assert ours(["close", "--cancel-deferred", "--deferred", "data"]) == Result(1, "", both)
    gone = "Device /dev/mapper/none is not active.\n"
    assert ours(["close", "/dev/mapper/none"]) == Result(4, "", gone)
    assert ours(["close", "--deferred", "none"]).code == 4


def status_text(**changes: str) -> str:
    usual = {"name": "data", "used": "", "type": "LUKS2", "location": "keyring"}
    return ACTIVE.format(**{**usual, "sector_size": "512", "mode": "read/write", **changes})


def test_status_in_cryptsetups_words(fake: FakeDmsetup) -> None:
    fake.put("data", "CRYPT-LUKS2-ec-data", 0, "L--w", TABLE)
    assert ours(["status", "data"]) == Result(0, status_text(), "")
    assert ours(["status", "/dev/mapper/data"]) == Result(0, status_text(), "")
    fake.put("data", "CRYPT-LUKS2-ec-data", 2, "L-sr", f"{TABLE} 1 sector_size:4096")
    changed = status_text(used=" and is in use", sector_size="4096", mode="readonly (suspended)")
    assert ours(["status", "data"]) == Result(0, changed, "")
    fake.put("data", "CRYPT-LUKS1-ec-data", 0, "L--w", TABLE.replace(KEY, "0" * 128))
    assert ours(["status", "data"]) == Result(0, status_text(type="LUKS1", location="dm-crypt"), "")


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ("1 allow_discards", "discards "),
        ("2 allow_discards no_read_workqueue", "discards no_read_workqueue "),
        ("2 same_cpu_crypt no_write_workqueue", "same_cpu_crypt no_write_workqueue"),
        ("2 same_cpu_crypt high_priority", "same_cpu_crypt high_priority"),
    ],
)
def test_status_shows_flags_to_the_last_space(fake: FakeDmsetup, options: str, flags: str) -> None:
    fake.put("data", "CRYPT-LUKS2-ec-data", 0, "L--w", f"{TABLE} {options}")
    assert ours(["status", "data"]) == Result(0, f"{status_text()}  flags:   {flags}\n", "")


def test_status_of_anything_else_is_inactive(fake: FakeDmsetup) -> None:
    fake.put("volume", "LVM-abc", 0, "L--w", "0 8 linear 8:1 0")
    assert ours(["status", "volume"]) == Result(4, "/dev/mapper/volume is inactive.\n", "")
    assert ours(["status", "./x"]) == Result(4, "./x is inactive.\n", "")


NO_MODULE = "Cannot initialize device-mapper. Is dm_mod kernel module loaded?\n"
NO_ROOT = "Cannot initialize device-mapper, running as non-root user.\n"
NO_NAME = "Cannot use device data, name is invalid or still in use.\n"
OTHERWISE = "kdumpkey unlock luks2.img --to FILE decrypts without device-mapper.\n"


@pytest.mark.parametrize("root", [True, False], ids=["no module", "no root"])
def test_without_device_mapper_the_way_without_it_is_named(
    monkeypatch: pytest.MonkeyPatch, root: bool
) -> None:
    monkeypatch.setattr(dmsetup, "running_as_root", lambda: root)
    monkeypatch.setattr("kdumpkey.luks.activation.running_as_root", lambda: root)
    monkeypatch.setattr(dmsetup, "_kernel_has_it", lambda: False)
    first = NO_MODULE if root else NO_ROOT
    said = first + NO_NAME + (OTHERWISE if root else "")
    for words in (["open", "luks2.img", "data"], ["unlock", "luks2.img", "--map", "data"]):
        assert ours([*words, "-d", "/nonexistent"]) == Result(1, "", said)
    assert ours(["close", "data"]) == Result(4, "", first)
    assert ours(["status", "data"]) == Result(1, "", first)


def test_without_dmsetup_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dmsetup, "running_as_root", lambda: True)
    monkeypatch.setattr(dmsetup, "_kernel_has_it", lambda: True)
    monkeypatch.setattr(dmsetup, "_ALSO_LOOK_IN", ())
    with pytest.raises(DeviceMapperError, match="there is no program dmsetup"):
        DeviceMapper.find(str(tmp_path))
    (tmp_path / "dmsetup").write_text("#!/bin/sh\n")
    (tmp_path / "dmsetup").chmod(0o755)
    assert DeviceMapper.find(str(tmp_path)).program == str(tmp_path / "dmsetup")
