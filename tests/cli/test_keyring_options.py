"""--link-vk-to-keyring and --volume-key-keyring through `main`, against the kernel and a cryptsetup >= 2.7.

Every test has a session keyring of its own, in a child.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from both import Result, ours, run
from forked import in_child
from kdumpkey import keyring
from kdumpkey.errors import KeyringError
from kdumpkey.keyring import Permission, SpecialKeyring
from kdumpkey.keyring.find import find_key
from tools import unavailable

PASSPHRASE = b"correct horse"
SESSION = SpecialKeyring.SESSION
OPEN = ["open", "--test-passphrase", "-d", "-"]
ACTIONS = [OPEN, ["unlock", "-d", "-"]]


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        keyring.keyring_id(SpecialKeyring.PROCESS, create=True)
    except KeyringError as error:
        unavailable(f"the kernel's keyrings cannot be used here: {error}")
    monkeypatch.chdir(folder)


def in_fresh_session(body: Callable[[], None]) -> None:
    def child() -> None:
        keyring.join_session()
        body()

    in_child(child)


def volume_key(name: str) -> bytes:
    return Path(f"{name}.vk").read_bytes()


def linked() -> list[tuple[str, str]]:
    described = [keyring.describe_key(number) for number in keyring.keys_of(SESSION)]
    return [(each.type, each.description) for each in described]


@pytest.mark.parametrize("action", ACTIONS, ids=["open", "unlock"])
@pytest.mark.parametrize("name", ["luks1.img", "luks2.img"])
def test_the_volume_key_is_linked_as_a_user_key_and_opens_again(action: list[str], name: str) -> None:
    def body() -> None:
        link = ["--link-vk-to-keyring", "@s::vk"]
        assert ours([*action, name, *link], PASSPHRASE) == Result(0, "", "")
        assert linked() == [("user", "vk")]
        with keyring.read_key(find_key("user", "vk")) as read:
            assert read.equals(volume_key(name))
        assert ours([*action[:-2], name, "--volume-key-keyring", "vk"]) == Result(0, "", "")

    in_fresh_session(body)


def test_a_logon_key_is_linked_under_kdumps_name() -> None:
    def body() -> None:
        link = ["--link-vk-to-keyring", f"@s::%logon:kdump-cryptsetup:vk-{uuid}"]
        assert ours([*OPEN, "luks2.img", *link], PASSPHRASE) == Result(0, "", "")
        assert linked() == [("logon", f"kdump-cryptsetup:vk-{uuid}")]

    uuid = ours(["luksUUID", "luks2.img"]).out.strip()
    in_fresh_session(body)


def test_a_key_of_that_name_is_replaced() -> None:
    def body() -> None:
        before = keyring.add_key("user", "vk", b"something else", SESSION)
        link = ["--link-vk-to-keyring", "@s::vk"]
        assert ours([*OPEN, "luks2.img", *link], PASSPHRASE).code == 0
        assert keyring.keys_of(SESSION) == (before,)
        with keyring.read_key(before) as read:
            assert read.equals(volume_key("luks2.img"))

    in_fresh_session(body)


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [(["luks2.img"], b"wrong", 2), (["zeros"], PASSPHRASE, 1), (["missing"], PASSPHRASE, 4)],
)
def test_nothing_is_linked_where_nothing_is_opened(words: list[str], stdin: bytes, code: int) -> None:
    def body() -> None:
        assert ours([*OPEN, *words, "--link-vk-to-keyring", "@s::vk"], stdin).code == code
        assert linked() == []

    in_fresh_session(body)


def test_a_volume_key_goes_from_one_keyring_to_another() -> None:
    def body() -> None:
        keyring.add_key("user", "from", volume_key("luks2.img"), SESSION)
        other = keyring.add_keyring("other", SESSION)
        words = [
            "unlock",
            "luks2.img",
            "--volume-key-keyring",
            "from",
            "--link-vk-to-keyring",
            f"{other}::to",
        ]
        assert ours(words) == Result(0, "", "")
        with keyring.read_key(keyring.keys_of(other)[0]) as read:
            assert read.equals(volume_key("luks2.img"))

    in_fresh_session(body)


def test_the_plaintext_is_decrypted_with_a_key_from_a_keyring(tmp_path: Path) -> None:
    def body() -> None:
        keyring.add_key("user", "vk", volume_key("luks2.img"), SESSION)
        words = ["unlock", "luks2.img", "--volume-key-keyring", "%user:vk", "--to", tmp_path / "a"]
        assert ours(words) == Result(0, "", "")

    in_fresh_session(body)
    assert ours(["unlock", "luks2.img", "-d", "pass", "--to", tmp_path / "b"]) == Result(0, "", "")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


READ_ONLY = Permission.VIEW | Permission.READ | Permission.SEARCH
SAME: dict[str, tuple[Callable[[], object], list[str]]] = {
    "it is there": (
        lambda: keyring.add_key("user", "vk", volume_key("luks2.img"), SESSION),
        ["--volume-key-keyring", "vk"],
    ),
    "another volume's": (
        lambda: keyring.add_key("user", "vk", os.urandom(64), SESSION),
        ["--volume-key-keyring", "vk"],
    ),
    "of another length": (
        lambda: keyring.add_key("user", "vk", os.urandom(32), SESSION),
        ["--volume-key-keyring", "vk"],
    ),
    "absent": (lambda: None, ["--volume-key-keyring", f"kdumpkey-test:{uuid4()}"]),
    "revoked": (
        lambda: keyring.revoke_key(keyring.add_key("user", "vk", bytes(64), SESSION)),
        ["--volume-key-keyring", "vk"],
    ),
    "not readable": (
        lambda: keyring.set_permissions(
            keyring.add_key("user", "vk", volume_key("luks2.img"), SESSION),
            Permission.VIEW | Permission.SEARCH | Permission.SETATTR,
            Permission.VIEW,
        ),
        ["--volume-key-keyring", "vk"],
    ),
    "logon, which nobody reads": (
        lambda: keyring.add_key("logon", "a:vk", volume_key("luks2.img"), SESSION),
        ["--volume-key-keyring", "%logon:a:vk"],
    ),
    "linked": (lambda: None, ["--link-vk-to-keyring", "@s::vk"]),
    "linked to nowhere": (lambda: None, ["--link-vk-to-keyring", f"kdumpkey-test:{uuid4()}::vk"]),
    "linked to what takes no more": (
        lambda: keyring.set_permissions(
            keyring.keyring_id(SESSION),
            Permission.VIEW | Permission.READ | Permission.SEARCH,
            Permission.VIEW,
        ),
        ["--link-vk-to-keyring", "@s::vk"],
    ),
    "logon without a prefix": (lambda: None, ["--link-vk-to-keyring", "@s::%logon:vk"]),
    **{
        f"bad value {value!r}": (lambda: None, ["--link-vk-to-keyring", value])
        for value in ("@s", "@s:x", "@x::y", "", "::x", "@s::%user", "@s::%:z", "@s::%bogus:z")
    },
    **{
        f"bad source {value!r}": (lambda: None, ["--volume-key-keyring", value])
        for value in ("%user", "%user:", "%bogus:vk")
    },
}


@pytest.mark.parametrize("case", SAME)
def test_both_do_the_same_with_keyrings(newer_cryptsetup: Path, case: str) -> None:
    prepare, options = SAME[case]

    def body() -> None:
        words = ["open", "--test-passphrase", "-v", "luks2.img", "-d", "pass", *options]
        results = []
        for command in (lambda: ours(words), lambda: run([newer_cryptsetup, *words])):
            keyring.join_session()
            prepare()
            results.append(command())
        mine, theirs = results
        assert mine.code == theirs.code
        # What the kernel said may follow cryptsetup's words.
        assert mine.err.splitlines()[-1:] == theirs.err.splitlines()[-1:] or mine.err.startswith(theirs.err)

    in_child(body)


def test_an_expired_key_says_so() -> None:
    def body() -> None:
        key = keyring.add_key("user", "vk", volume_key("luks2.img"), SESSION)
        keyring.set_timeout(key, 1)
        while True:
            result = ours(["unlock", "luks2.img", "--volume-key-keyring", "vk"])
            if result.code:
                break
        assert result.err == "Failed to read volume key candidate from keyring.\n"
        assert result.code == 1

    in_fresh_session(body)


def test_no_key_is_in_any_message() -> None:
    def body() -> None:
        secret = "0123456789abcdef" * 4
        keyring.add_key("user", "vk", secret.encode(), SESSION)
        result = ours(["unlock", "luks2.img", "--volume-key-keyring", "vk", "--debug"])
        assert result.code == 2
        assert secret not in result.out + result.err
        assert secret.encode().hex() not in result.out + result.err

    in_fresh_session(body)
