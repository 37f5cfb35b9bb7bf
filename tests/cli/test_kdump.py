"""The life of a simulated machine from the command line, each call a process's worth of its own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdumpkey.cli.main import main
from kdumpkey.streams import Streams
from shared_fixtures import unpacked

IMAGE = Path(__file__).parents[1] / "images" / "luks2.img.xz"
PASSPHRASE = b"correct horse battery staple"
UUID = "b37125e4-9897-4a30-a4a5-25f69a1a7c0f"
NAME = f"kdump-cryptsetup:vk-{UUID}"


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        return dict(json.loads(self.out))


Run = Callable[..., Done]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "pw").write_bytes(PASSPHRASE)
    return unpacked(IMAGE, tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="kdumpkey-test-", dir="/dev/shm") as folder:
        environment = {"KDUMPKEY_MACHINE": f"{folder}/machine"}

        def call(*words: str | Path, session: str | None = None) -> Done:
            out, err = (
                os.open(tmp_path / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")
            )
            with open(os.devnull, "rb") as nothing, open(out, "rb") as said, open(err, "rb") as complained:
                names = {"KDUMPKEY_SESSION": session} if session else {}
                streams = Streams(nothing.fileno(), out, err, "/nonexistent", environment | names)
                code = main([str(word) for word in words], streams)
                said.seek(0)
                complained.seek(0)
                return Done(code, said.read().decode(), complained.read().decode())

        yield call


def key_options(disk: Path) -> list[str]:
    return ["--key-file", str(disk.parent / "pw")]


def test_the_story(run: Run, disk: Path) -> None:
    assert (
        run("kdump", "boot", "--crashkernel", "2G-64G:256M,64G-:512M", "--json").json["stage"]
        == "first-kernel"
    )
    named = run("kdump", "name", disk, *key_options(disk), "--json")
    assert named.json["description"] == NAME
    assert "WARNING: this volume key now lies in a file" in named.err
    loaded = run("kdump", "load", "--json").json
    assert [key["description"] for key in loaded["keys"]] == [NAME]
    status = run("kdump", "status", "--json").json
    assert (status["holds_keys"], status["loaded"], status["address"]) == (True, True, loaded["address"])
    assert run("kdump", "crash", "--json").json["stage"] == "kdump-kernel"
    opened = run("unlock", disk, "--from-kdump", "--json")
    assert (opened.code, opened.json["uuid"]) == (0, UUID)
    alias = run("open", "--kdump-kernel-master-key", "--test-passphrase", disk)
    assert (alias.code, alias.err) == (0, "")
    by_keyring = run("open", "--test-passphrase", "--volume-key-keyring", f"%user:{NAME}", disk)
    assert by_keyring.code == 0
    assert run("kdump", "reboot").code == 0
    assert run("unlock", disk, "--from-kdump").code == 2
    assert run("kdump", "destroy").code == 0
    assert run("kdump", "status").code == 4


def test_cryptsetups_own_options_reach_the_machines_keyring(run: Run, disk: Path) -> None:
    run("kdump", "boot", "--throwaway")
    target = f"@u::%logon:{NAME}"
    linked = run("open", "--test-passphrase", disk, *key_options(disk), "--link-vk-to-keyring", target)
    assert (linked.code, linked.err) == (0, "")
    assert run("kdump", "name", "--key-description", NAME).code == 0
    assert NAME in run("kdump", "keyctl", "list", "@u").out
    assert run("kdump", "load").code == 0


def test_an_expired_key_fails_the_load_with_its_errnos_code(run: Run, disk: Path) -> None:
    run("kdump", "boot")
    run("kdump", "name", disk, *key_options(disk), "--key-timeout", "300")
    run("kdump", "wait", "301")
    refused = run("kdump", "load")
    assert (refused.code, NAME in refused.err) == (1, True)
    assert "ENOKEY" in run("kdump", "status").out


def test_the_wrong_session_does_not_find_the_key(run: Run, disk: Path) -> None:
    run("kdump", "boot")
    run("kdump", "name", disk, *key_options(disk))
    assert run("kdump", "load", session="sudo").code == 1
    assert run("kdump", "load").code == 0


def test_any_mappings_key_is_handed_over(run: Run, tmp_path: Path) -> None:
    run("kdump", "boot", "--throwaway", "--policy", "hardened")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    named = run("kdump", "name", "--key-description", "plain:swap", "--volume-key-file", tmp_path / "key")
    assert (named.code, named.err) == (0, "")
    run("kdump", "load")
    run("kdump", "crash")
    assert run("kdump", "restore", "--json").json["keys"] == ["plain:swap"]


def test_nothing_handed_over_is_exit_2_and_says_why(run: Run, disk: Path) -> None:
    run("kdump", "boot")
    assert "WARNING: the image holds no keys" in run("kdump", "load").err
    run("kdump", "crash")
    assert run("kdump", "restore").code == 0  # as Linux: nothing is wrong
    refused = run("unlock", disk, "--from-kdump")
    assert (refused.code, "No key was handed over" in refused.err) == (2, True)


def test_audit_finds_the_stale_copies(run: Run, disk: Path) -> None:
    run("kdump", "boot", "--crashkernel", "1G")
    run("kdump", "name", disk, *key_options(disk))
    for _ in range(6):
        run("kdump", "load")
    places = run("kdump", "audit", "--json").json["places"]
    assert sum(not place["stale"] for place in places) == 1
    assert any(place["stale"] for place in places)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("boot", "--policy", "better"), 1),
        (("boot", "--crashkernel", "8G"), 1),
        (("boot", "--crashkernel", "none"), 1),
        (("status",), 4),
        (("boot", "extra"), 1),
        (("reuse", "maybe"), 1),
        (("wait", "-1"), 1),
    ],
)
def test_what_is_wrong_is_refused(run: Run, words: tuple[str, ...], code: int) -> None:
    assert run("kdump", *words).code == code


def test_a_directory_of_others_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert run("kdump", "boot", "--machine", tmp_path / "open").code == 2
    run("kdump", "boot")
    assert run("kdump", "boot").code == 5


def test_the_sizes_of_real_files_decide_where_things_lie(run: Run, tmp_path: Path) -> None:
    head = bytearray(0x268)
    head[0x202:0x208] = b"HdrS\x0f\x02"
    head[0x260:0x264] = (50 << 20).to_bytes(4, "little")
    (tmp_path / "bzImage").write_bytes(head)
    (tmp_path / "initrd").write_bytes(bytes(5 << 20))
    files = ("--kernel", str(tmp_path / "bzImage"), "--initrd", str(tmp_path / "initrd"))
    assert run("kdump", "boot", "--crashkernel", "64M", *files).code == 0
    assert run("kdump", "load").code == 0
    assert run("kdump", "destroy").code == 0
    assert run("kdump", "boot", "--crashkernel", "64M", "--kernel", str(tmp_path / "initrd")).code == 1


@pytest.fixture
def booted(run: Run, tmp_path: Path) -> Run:
    """A machine with the key kdump:a in root's user keyring."""
    (tmp_path / "vk").write_bytes(bytes(range(64)))
    assert run("kdump", "boot").code == 0
    words = ["--key-description", "kdump:a", "--volume-key-file", tmp_path / "vk"]
    assert run("kdump", "name", *words).code == 0
    return run


def keyctl(run: Run, *words: str) -> Done:
    return run("kdump", "keyctl", *words)


def test_keyctl_finds_a_key_by_name_and_by_number(booted: Run) -> None:
    found = keyctl(booted, "request", "logon", "kdump:a")
    assert (found.code, found.err) == (0, "")
    serial = found.out.strip()
    assert serial.isdigit()
    assert keyctl(booted, "search", "@u", "logon", "kdump:a").out.strip() == serial
    (line,) = keyctl(booted, "list", "@u").out.splitlines()
    assert line.split(":")[0].strip() == serial
    assert line.endswith("logon: kdump:a")
    as_json = booted("kdump", "keyctl", "search", "@u", "logon", "kdump:a", "--json")
    assert as_json.json == {"command": "search", "result": [serial]}
    other = keyctl(booted, "request", "logon", "kdump:b")
    assert other == Done(1, "", "logon key 'kdump:b' was not found in this process's keyrings\n")


def test_keyctl_unlinks_and_links_a_key(booted: Run) -> None:
    serial = keyctl(booted, "request", "logon", "kdump:a").out.strip()
    assert keyctl(booted, "link", serial, "@s").code == 0
    assert keyctl(booted, "unlink", "%logon:kdump:a", "@u") == Done(0, "", "")
    assert keyctl(booted, "list", "@u").out == ""
    assert serial in keyctl(booted, "list", "@s").out


def test_keyctl_sets_a_time_after_which_the_key_is_gone(booted: Run) -> None:
    assert keyctl(booted, "timeout", "%logon:kdump:a", "300") == Done(0, "", "")
    line = keyctl(booted, "list", "@u").out
    left = int(line.rpartition(", ")[2].removesuffix(" s left\n"))
    assert 0 < left <= 300


def test_keyctl_sets_permissions_and_revokes(booted: Run) -> None:
    assert keyctl(booted, "setperm", "%logon:kdump:a", "0x3f010000").code == 0
    assert ": 3f010000 logon: kdump:a" in keyctl(booted, "list", "@u").out
    assert keyctl(booted, "revoke", "%logon:kdump:a").code == 0
    assert keyctl(booted, "list", "@u").out.endswith("kdump:a, revoked\n")
    assert keyctl(booted, "request", "logon", "kdump:a").code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["purge", "user"],
            "kdump keyctl knows list, request, search, link, unlink, timeout, setperm, revoke.",
        ),
        (["list"], "kdump keyctl list takes <keyring>."),
        (["timeout", "%logon:kdump:a"], "kdump keyctl timeout takes <key> <seconds>."),
        (["timeout", "%logon:kdump:a", "soon"], "soon is not a number."),
        (["list", "%:ring"], "%:ring is not a keyring: @u, @s, @us, @t or a number."),
        (["revoke", "%user:other"], "There is no key %user:other."),
    ],
)
def test_keyctl_says_what_is_wrong_with_its_words(booted: Run, words: list[str], said: str) -> None:
    done = keyctl(booted, *words)
    assert (done.code, done.out, done.err) == (1, "", said + "\n")
