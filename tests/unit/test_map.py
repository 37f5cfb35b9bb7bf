"""Mapping a volume: what dmsetup is given, where the key is meanwhile, and what is left when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from fake_dmsetup import FakeDmsetup, where_every_file_is_a_device
from kdumpkey import keyring
from kdumpkey.errors import (
    BusyError,
    InactiveError,
    KeyNotFoundError,
    MappingError,
    WrongKeyError,
)
from kdumpkey.keyring import SpecialKeyring
from kdumpkey.keyring.find import find_key
from kdumpkey.luks.activation import (
    MappingOptions,
    check_mappable,
    close_mapping,
    find_mapping,
    keep_mapping,
    map_volume,
)
from kdumpkey.luks.device import LuksDevice, open_luks
from kdumpkey.luks.model import Luks2Header
from kdumpkey.secret import SecretBuffer
from noise import noise
from tools import require_tool

# Of this process alone: /proc/keys shows the keys of other processes too, with the names they have.
UUID = str(uuid4())
KEYED = {"luks1": 64, "luks2": 64}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """luks1 and luks2 (sectors of 4096, flags in the header), each with its volume key in NAME.vk."""
    home = tmp_path_factory.mktemp("map")
    cryptsetup = require_tool("cryptsetup")
    (home / "pass").write_bytes(b"p")
    for name, more in (
        ("luks1", ("--pbkdf-force-iterations", "1000")),
        ("luks2", ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--sector-size", "4096")),
    ):
        (home / f"{name}.vk").write_bytes(noise(KEYED[name]))
        (home / name).touch()
        os.truncate(home / name, 20 << 20)
        words = ["luksFormat", "-q", "--type", name, "--uuid", UUID, "-s", "512", *more]
        words += ["--volume-key-file", f"{name}.vk", name, "pass"]
        subprocess.run([cryptsetup, *words], check=True, capture_output=True, cwd=home)
    return home


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDmsetup:
    return where_every_file_is_a_device(tmp_path, monkeypatch)


def key_of(images: Path, name: str) -> SecretBuffer:
    return SecretBuffer.copy_of((images / f"{name}.vk").read_bytes())


def mapped(fake: FakeDmsetup, images: Path, kind: str, name: str = "data", **options: object) -> None:
    with open_luks(images / kind) as luks, key_of(images, kind) as key:
        map_volume(fake.mapper, luks, key, name, MappingOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("luks1", f"0 36864 crypt aes-xts-plain64 :64:logon:cryptsetup:{UUID}-d0 0 8:1 4096\n"),
        (
            "luks2",
            f"0 8192 crypt aes-xts-plain64 :64:logon:cryptsetup:{UUID}-d0 0 8:1 32768 1 sector_size:4096\n",
        ),
    ],
    ids=["luks1", "luks2"],
)
def test_the_key_reaches_dm_crypt_by_a_keyring_and_nothing_else(
    fake: FakeDmsetup, images: Path, kind: str, table: str
) -> None:
    session = keyring.keyring_id(SpecialKeyring.SESSION)
    mapped(fake, images, kind)
    (call,) = [call for call in fake.log if call["argv"][1] == "create"]
    assert call["stdin"] == table
    assert f"CRYPT-{kind.upper()}-{UUID.replace('-', '')}-data" in call["argv"]
    assert call["key"] == f"cryptsetup:{UUID}-d0"
    key = (images / f"{kind}.vk").read_bytes()
    for given in (*call["argv"], call["stdin"], *call["environ"].values()):
        assert key.hex() not in given.lower()
        assert key not in given.encode("utf-8", "surrogateescape")
    assert set(call["environ"]) <= {"LC_ALL", "PATH", "LC_CTYPE"}
    assert keyring.keyring_id(SpecialKeyring.SESSION) == session
    assert_no_key()


def assert_no_key() -> None:
    with pytest.raises(KeyNotFoundError):
        find_key("logon", f"cryptsetup:{UUID}-d0")


def test_a_key_of_that_name_in_the_session_is_another_and_stays(fake: FakeDmsetup, images: Path) -> None:
    name = f"cryptsetup:{UUID}-d0"
    other = keyring.add_key("logon", name, b"x" * 64, SpecialKeyring.PROCESS)
    try:
        mapped(fake, images, "luks2")
        assert find_key("logon", name) == other
    finally:
        keyring.unlink_key(other, SpecialKeyring.PROCESS)


def test_flags_come_from_the_header_and_from_the_caller(fake: FakeDmsetup, images: Path) -> None:
    image = fake.home / "flags"
    shutil.copy(images / "luks2", image)
    with open_luks(image) as luks:
        assert isinstance(luks.header, Luks2Header)
        flags = ("no-write-workqueue", "no-journal", "same-cpu-crypt")
        luks.header = luks.header._replace(config=luks.header.config._replace(flags=flags))
        with key_of(images, "luks2") as key:
            map_volume(
                fake.mapper, luks, key, "data", MappingOptions(readonly=True, flags=["allow_discards"])
            )
    create = fake.log[-1]
    options = "4 allow_discards same_cpu_crypt no_write_workqueue sector_size:4096\n"
    assert create["stdin"].endswith(f" 8:1 32768 {options}")
    assert "--readonly" in create["argv"]


def test_a_wrong_key_is_never_mapped(fake: FakeDmsetup, images: Path) -> None:
    with (
        open_luks(images / "luks2") as luks,
        SecretBuffer.copy_of(b"k" * 64) as key,
        pytest.raises(WrongKeyError),
    ):
        map_volume(fake.mapper, luks, key, "data")
    assert fake.log == []


@pytest.mark.parametrize("mode", ["fails", "fails by half", "dies by half"])
def test_nothing_is_left_where_dmsetup_fails(fake: FakeDmsetup, images: Path, mode: str) -> None:
    fake.behave(mode)
    with pytest.raises(MappingError, match="dmsetup ended with -9" if "dies" in mode else "Invalid argument"):
        mapped(fake, images, "luks2")
    assert fake.names == []
    assert_no_key()


def test_a_name_that_somebody_took_meanwhile_stays_theirs(fake: FakeDmsetup, images: Path) -> None:
    fake.put("data", "", 0, "---w", "")
    with pytest.raises(BusyError, match="busy"):
        mapped(fake, images, "luks2")
    assert fake.names == ["data"]


def test_what_cannot_be_mapped_is_said_before_a_key_is_asked_for(fake: FakeDmsetup, images: Path) -> None:
    def check(luks: LuksDevice, name: str) -> None:
        check_mappable(fake.mapper, luks, name)

    fake.put("taken", "", 0, "L--w", "")
    with open_luks(images / "luks2") as luks:
        check(luks, "free")
        with pytest.raises(BusyError, match=r"^Device taken already exists\.$"):
            check(luks, "taken")
        with pytest.raises(MappingError, match=r'^Name "a/b" invalid\. It contains "/"\.$'):
            check(luks, "a/b")
        for name in ("", "n" * 128, ".", "..", "control"):
            with pytest.raises(MappingError, match="name is invalid or still in use"):
                check(luks, name)


def test_a_mapping_in_use_is_closed_only_later(fake: FakeDmsetup) -> None:
    fake.put("data", "CRYPT-LUKS2-x-data", 1, "L--w", "0 8 linear 8:1 0\n")
    with pytest.raises(BusyError, match=r"^Device data is still in use\.$"):
        close_mapping(fake.mapper, "data")
    assert close_mapping(fake.mapper, "data", deferred=True)
    keep_mapping(fake.mapper, "/dev/mapper/data")
    assert fake.log[-1]["argv"][1:] == ["message", "--", "data", "0", "@cancel_deferred_remove"]
    fake.put("data", "CRYPT-LUKS2-x-data", 0, "L--w", "0 8 linear 8:1 0\n")
    assert not close_mapping(fake.mapper, "data")
    for act in (close_mapping, keep_mapping):
        with pytest.raises(InactiveError, match=r"^Device data is not active\.$"):
            act(fake.mapper, "data")


def test_authenticated_mappings_are_left_to_cryptsetup(fake: FakeDmsetup) -> None:
    table = "0 8 crypt aes-xts-plain64 :96:logon:x 0 8:1 0 1 integrity:32:aead\n"
    fake.put("data", "CRYPT-LUKS2-x-data", 0, "L--w", table)
    with pytest.raises(MappingError, match="authenticated"):
        close_mapping(fake.mapper, "data")
    assert fake.names == ["data"]


def test_only_cryptsetups_kind_of_mapping_is_found(fake: FakeDmsetup) -> None:
    fake.put("volume", "LVM-abc", 0, "L--w", "0 8 linear 8:1 0\n")
    assert find_mapping(fake.mapper, "volume") is None
    assert find_mapping(fake.mapper, "none") is None
    fake.put("plain", "CRYPT-PLAIN-plain", 2, "L-sr", "0 8 crypt aes-cbc-essiv:sha256 :32:logon:k 7 8:1 9\n")
    found = find_mapping(fake.mapper, "plain")
    assert found is not None
    assert found.target is not None
    assert (found.type, found.info.suspended, found.info.readonly, found.info.open_count) == (
        "PLAIN",
        True,
        True,
        2,
    )
    assert (found.target.cipher, found.target.iv_offset_sectors) == ("aes-cbc-essiv:sha256", 7)
