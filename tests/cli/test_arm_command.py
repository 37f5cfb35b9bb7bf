"""kdump arm on the command line: a LUKS device, this system's keyring, and a tree that stands for Linux.

The calls are made in a forked child, for they change its keyrings.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from both import Result, ours
from fake_linux import FakeKeys, FakeLinux
from forked import in_child
from kdumpkey import keyring
from kdumpkey.errors import KeyringError
from kdumpkey.kernel.linux.load_keys import LinuxKeys
from kdumpkey.keyring import SpecialKeyring
from kdumpkey.keyring.find import never_expires
from tools import unavailable

CHEAP = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")


class RealKeys(FakeKeys):
    """The fake kernel asks this system's keyring."""

    def errno_of(self, description: str) -> int:
        return LinuxKeys().errno_of(description)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLinux:
    made = FakeLinux(tmp_path)
    made.keys = RealKeys(tmp_path / "keyring")
    made.make_keys = LinuxKeys
    monkeypatch.setattr("kdumpkey.kernel.linux.kernel.LinuxKernel", lambda: made.kernel)
    return made


@pytest.fixture
def device(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A LUKS device, and the name of its key, which is in no keyring afterwards."""
    path, number = tmp_path / "luks", str(uuid.uuid4())
    path.write_bytes(bytes(20 << 20))
    assert ours(["luksFormat", "-q", *CHEAP, "--uuid", number, path], b"pass").code == 0
    name = f"kdump-cryptsetup:vk-{number}"
    yield path, name
    for kind in ("logon", "user"):
        try:
            serial = keyring.search_keyring(SpecialKeyring.USER, kind, name)
        except KeyringError:
            continue
        keyring.unlink_key(serial, SpecialKeyring.USER)


def _arm(path: Path, *words: str, stdin: bytes = b"pass") -> Result:
    image = ("--kernel", "/k", "--initrd", "/i", "--command-line", "x")
    return ours(["kdump", "arm", path, *image, *words], stdin)


def _child(body: Callable[[], None]) -> None:
    try:
        LinuxKeys()
    except KeyringError as error:
        unavailable(f"the kernel's keyrings cannot be used here: {error}")
    in_child(body)


def test_a_passphrase_arms_also_from_a_session_that_leads_nowhere(
    fake: FakeLinux, device: tuple[Path, str]
) -> None:
    path, name = device

    def body() -> None:
        keyring.join_session()
        done = _arm(path, "--json")
        assert (done.code, json.loads(done.out)["keys"]) == (0, [name])
        key = keyring.request_key("logon", name)
        assert not never_expires(key)
        listed = next(line for line in Path("/proc/keys").read_text().splitlines() if name in line)
        assert listed.split()[3] in ("4m", "5m", "299s", "300s")
        origin = fake.kernel.record()
        assert origin is not None
        assert (origin.origins[0].checked, origin.origins[0].device) == (True, str(path))

    _child(body)
    assert (fake.held, fake.kernel.status().named) == ([name], ())


def test_a_wrong_passphrase_leaves_the_image_and_the_keyring_alone(
    fake: FakeLinux, device: tuple[Path, str]
) -> None:
    path, name = device

    def body() -> None:
        assert _arm(path, stdin=b"wrong").code == 2
        assert LinuxKeys().errno_of(name) != 0

    _child(body)
    assert fake.held is None


def test_a_logon_key_in_the_keyring_is_taken_on_trust_where_asked_or_nothing_else_is_given(
    fake: FakeLinux, device: tuple[Path, str]
) -> None:
    path, name = device

    def body() -> None:
        keys = LinuxKeys()
        assert _arm(path, stdin=b"").err == "Nothing to read on input.\n"
        done = _arm(path, "--from-keyring")
        assert (done.code, "is not in the keyring" in done.err) == (1, True)
        keyring.add_key("logon", name, bytes(64), SpecialKeyring.USER)
        for words, stdin in ((("--from-keyring",), b"pass"), ((), b"")):
            done = _arm(path, *words, stdin=stdin)
            assert (done.code, "cannot be checked" in done.err) == (0, True)
        assert keys.stays(name)
        record = fake.kernel.record()
        assert record is not None
        assert not record.origins[0].checked

    _child(body)
    assert "on trust" in ours(["kdump", "status"]).out


def test_a_user_key_in_the_keyring_is_held_against_the_device(
    fake: FakeLinux, device: tuple[Path, str]
) -> None:
    path, name = device

    def body() -> None:
        LinuxKeys()
        keyring.add_key("user", name, bytes(64), SpecialKeyring.USER)
        assert _arm(path, "--from-keyring").code == 2
        link = ["--link-vk-to-keyring", f"@u::%user:{name}"]
        assert ours(["open", "--test-passphrase", *link, path], b"pass").code == 0
        assert _arm(path, "--from-keyring").code == 0
        record = fake.kernel.record()
        assert record is not None
        assert record.origins[0].checked
        assert keyring.describe_key(keyring.request_key("logon", name)).type == "logon"

    _child(body)


def test_a_key_that_is_dropped_is_gone_and_one_with_a_timeout_expires(device: tuple[Path, str]) -> None:
    _, name = device

    def body() -> None:
        keys = LinuxKeys()
        key = keyring.add_key("logon", name, bytes(32), SpecialKeyring.USER)
        assert keys.stays(name)
        keys.expire(name, 60)
        assert (keys.stays(name), keys.errno_of(name)) == (False, 0)
        keyring.set_timeout(key, 0)
        assert keys.stays(name)
        keys.drop(name)
        assert keys.errno_of(name) != 0
        keys.drop(name)

    _child(body)
