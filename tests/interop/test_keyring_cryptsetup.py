"""Volume keys between cryptsetup >= 2.7 and keyring, in both directions, through the kernel's keyrings.

Every test has a session keyring of its own, in a child: cryptsetup looks for keys there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from forked import in_child
from kdumpkey import keyring
from kdumpkey.errors import KeyAccessError, KeyNotFoundError, UsageError
from kdumpkey.keyring import SpecialKeyring
from kdumpkey.keyring.find import find_key, link_volume_key, read_volume_key, resolve_keyring
from kdumpkey.keyring.names import KeyName, parse_keyring, parse_link_target, parse_volume_key_source
from kdumpkey.secret import SecretBuffer

PASSPHRASE = b"correct horse"


@dataclass(frozen=True)
class Volume:
    """A LUKS2 image made by cryptsetup, and its volume key."""

    cryptsetup: Path
    image: Path
    uuid: str
    volume_key: bytes

    def open(self, *options: str, passphrase: bytes = PASSPHRASE) -> subprocess.CompletedProcess[bytes]:
        """Test a key of the image."""
        return subprocess.run(
            [self.cryptsetup, "open", "--test-passphrase", self.image, *options],
            input=passphrase,
            capture_output=True,
            check=False,
        )


@pytest.fixture(scope="module")
def volume(newer_cryptsetup: Path, tmp_path_factory: pytest.TempPathFactory) -> Volume:
    folder = tmp_path_factory.mktemp("luks")
    image, key, uuid = folder / "luks2.img", folder / "volume.key", str(uuid4())
    image.touch()
    os.truncate(image, 20 << 20)
    key.write_bytes(os.urandom(64))
    subprocess.run(
        [
            newer_cryptsetup,
            "luksFormat",
            "-q",
            "--type",
            "luks2",
            "--pbkdf",
            "pbkdf2",
            "--key-size",
            "512",
            "--pbkdf-force-iterations",
            "1000",
            "--uuid",
            uuid,
            "--volume-key-file",
            key,
            image,
        ],
        input=PASSPHRASE,
        check=True,
    )
    return Volume(newer_cryptsetup, image, uuid, key.read_bytes())


def in_fresh_session(body: Callable[[], None]) -> None:
    def child() -> None:
        keyring.join_session()
        body()

    in_child(child)


# --- cryptsetup links, kdumpkey reads ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["vk", "%user:vk", "a::b", "%user:a:b", "12"])
def test_a_user_key_that_cryptsetup_linked_is_read_with_its_payload(volume: Volume, name: str) -> None:
    def body() -> None:
        opened = volume.open("--link-vk-to-keyring", f"@s::{name}")
        assert opened.returncode == 0, opened.stderr
        target = parse_link_target(f"@s::{name}")
        (number,) = keyring.keys_of(SpecialKeyring.SESSION)
        described = keyring.describe_key(number)
        assert (described.type, described.description) == (target.key.type, target.key.description)
        for text in (name, str(target.key), str(number)):
            with read_volume_key(parse_volume_key_source(text)) as read:
                assert read.equals(volume.volume_key)

    in_fresh_session(body)


def test_a_logon_key_that_cryptsetup_linked_is_found_as_one(volume: Volume) -> None:
    name = f"kdump-cryptsetup:vk-{volume.uuid}"

    def body() -> None:
        assert volume.open("--link-vk-to-keyring", f"@s::%logon:{name}").returncode == 0
        number = find_key("logon", name)
        assert keyring.keys_of(SpecialKeyring.SESSION) == (number,)
        described = keyring.describe_key(number)
        assert (described.type, described.description) == ("logon", name)

    in_fresh_session(body)


@pytest.mark.parametrize("spelling", ["{name}", "%:{name}", "%keyring:{name}", "{number}", "{number:#x}"])
def test_both_find_the_same_keyring_by_its_name_or_number(volume: Volume, spelling: str) -> None:
    def body() -> None:
        outer = keyring.add_keyring(str(uuid4()), SpecialKeyring.SESSION)
        name = f"kdumpkey test:{uuid4()}"
        number = keyring.add_keyring(name, outer)
        text = spelling.format(name=name, number=number)
        assert resolve_keyring(parse_keyring(text)) == number
        assert volume.open("--link-vk-to-keyring", f"{text}::vk").returncode == 0
        assert len(keyring.keys_of(number)) == 1

    in_fresh_session(body)


def test_both_find_the_same_of_two_keyrings_that_only_proc_keys_shows(volume: Volume) -> None:
    def body() -> None:
        name = f"kdumpkey-test:{uuid4()}"
        hidden = [keyring.add_keyring(name, parent) for parent in two_keyrings()]
        with session_kept():
            keyring.join_session()
            found_and_not_possessed(name, hidden)

    def found_and_not_possessed(name: str, hidden: list[int]) -> None:
        found = resolve_keyring(parse_keyring(name))
        assert found == min(hidden)
        # Found is not possessed: neither may write there.
        key = KeyName("user", "vk")
        with pytest.raises(KeyAccessError), SecretBuffer.copy_of(volume.volume_key) as volume_key:
            link_volume_key(found, key, volume_key)
        opened = volume.open("--link-vk-to-keyring", f"{name}::vk")
        assert opened.returncode == 1
        assert opened.stderr == b"Failed to link volume key in user defined keyring.\n"

    in_fresh_session(body)


@contextmanager
def session_kept() -> Iterator[None]:
    """A process that stays in this session: the kernel removes the keyrings of one that nobody is in."""
    waiting, done = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.close(done)
        os.read(waiting, 1)
        os._exit(0)
    try:
        yield
    finally:
        os.close(waiting)
        os.close(done)
        os.waitpid(holder, 0)


def two_keyrings() -> list[int]:
    return [keyring.add_keyring(str(uuid4()), SpecialKeyring.SESSION) for _ in range(2)]


@pytest.mark.parametrize(
    "option", ["@s", "@s:x", "@x::y", "", "::x", "@s::%user", "@s::%:z", "@s::%bogus:z", "0::x"]
)
def test_both_refuse_the_same_link_targets_in_the_same_words(volume: Volume, option: str) -> None:
    def body() -> None:
        opened = volume.open("--link-vk-to-keyring", option)
        with pytest.raises(UsageError) as refused:
            parse_link_target(option)
        assert (opened.returncode, opened.stderr.decode()) == (1, f"{refused.value}\n")

    in_fresh_session(body)


def test_both_name_a_keyring_that_does_not_exist_in_the_same_words(volume: Volume) -> None:
    name = f"kdumpkey-test:{uuid4()}"

    def body() -> None:
        opened = volume.open("--link-vk-to-keyring", f"{name}::vk")
        with pytest.raises(KeyNotFoundError) as refused:
            resolve_keyring(parse_link_target(f"{name}::vk").keyring)
        assert opened.returncode == 1
        assert opened.stderr.decode().splitlines()[0] == str(refused.value)

    in_fresh_session(body)


def test_nothing_is_linked_with_a_wrong_passphrase(volume: Volume) -> None:
    def body() -> None:
        assert volume.open("--link-vk-to-keyring", "@s::vk", passphrase=b"wrong").returncode == 2
        assert keyring.keys_of(SpecialKeyring.SESSION) == ()

    in_fresh_session(body)


def test_cryptsetup_replaces_a_key_of_ours_in_place(volume: Volume) -> None:
    def body() -> None:
        ours = keyring.add_key("user", "vk", b"something else", SpecialKeyring.SESSION)
        assert volume.open("--link-vk-to-keyring", "@s::vk").returncode == 0
        assert keyring.keys_of(SpecialKeyring.SESSION) == (ours,)
        with keyring.read_key(ours) as read:
            assert read.equals(volume.volume_key)

    in_fresh_session(body)


# --- kdumpkey links, cryptsetup opens ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["vk", "%user:vk", "a:b", "12345"])
def test_cryptsetup_opens_with_a_key_that_kdumpkey_linked(volume: Volume, name: str) -> None:
    def body() -> None:
        target = parse_link_target(f"@s::{name}")
        with SecretBuffer.copy_of(volume.volume_key) as volume_key:
            link_volume_key(resolve_keyring(target.keyring), target.key, volume_key)
        opened = volume.open("--volume-key-keyring", name)
        assert opened.returncode == 0, opened.stderr

    in_fresh_session(body)


def test_cryptsetup_refuses_another_key_of_that_name(volume: Volume) -> None:
    def body() -> None:
        keyring.add_key("user", "vk", os.urandom(64), SpecialKeyring.SESSION)
        opened = volume.open("--volume-key-keyring", "vk")
        assert (opened.returncode, opened.stderr) == (2, b"Volume key does not match the volume.\n")

    in_fresh_session(body)


@pytest.mark.parametrize("name", ["", "%", "%user", "%user:", "%bogus:vk"])
def test_both_refuse_the_same_volume_key_sources_in_the_same_words(volume: Volume, name: str) -> None:
    def body() -> None:
        opened = volume.open("--volume-key-keyring", name)
        with pytest.raises(UsageError) as refused:
            parse_volume_key_source(name)
        assert (opened.returncode, opened.stderr.decode()) == (1, f"{refused.value}\n")

    in_fresh_session(body)
