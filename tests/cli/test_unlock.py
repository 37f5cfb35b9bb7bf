"""unlock: kdumpkey's own action, its options, and what it does when something fails."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from both import ENVIRONMENT, Result, ours
from forked import in_child
from kdumpkey._native.aesxts import tier_status, tiers
from kdumpkey.luks.device import open_luks
from tools import HANGS_AFTER_S

DATA = {"luks1.img": 3 << 20, "luks2.img": 20 << 20}


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def plaintext(name: str) -> bytes:
    """By the library, whose reading is tested by itself."""
    with (
        open_luks(name) as luks,
        luks.unlock(b"correct horse") as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        return volume.raw().readall() or b""


def unlock(*words: str | Path, stdin: bytes = b"correct horse\n", **environment: str) -> Result:
    return ours(["unlock", *words], stdin, {**ENVIRONMENT, **environment})


@pytest.mark.parametrize("name", ["luks1.img", "luks2.img"])
def test_all_of_it_is_decrypted_into_a_file(name: str, tmp_path: Path) -> None:
    assert unlock(name, "--to", tmp_path / "out") == Result(0, "", "")
    assert (tmp_path / "out").read_bytes() == plaintext(name)


def test_a_part_is_decrypted_in_bytes_with_units(tmp_path: Path) -> None:
    whole = plaintext("luks2.img")
    for start, length, expected in (
        ("1M", "4K", whole[1 << 20 : (1 << 20) + 4096]),
        ("7", "11", whole[7:18]),
        ("0", "0", b""),
    ):
        result = unlock("luks2.img", "--to", tmp_path / "out", "--from", start, "--length", length, "--force")
        assert result == Result(0, "", "")
        assert (tmp_path / "out").read_bytes() == expected


def test_the_plaintext_goes_to_standard_output_and_nothing_else_does() -> None:
    command = [sys.executable, "-m", "kdumpkey", "unlock", "luks2.img", "--to", "-", "-v"]
    done = subprocess.run([*command[:-1]], input=b"correct horse", capture_output=True, check=True)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(plaintext("luks2.img")).digest()
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["--test"], b"correct horse\n"),
        ([], b"correct horse\n"),
        (["--key-file", "pass"], b""),
        (["-d", "offset", "--keyfile-offset", "5", "--keyfile-size", "13"], b""),
        (["--volume-key-file", "luks2.img.vk"], b""),
        (["-S", "1", "-d", "other"], b""),
        (["--tries", "1"], b"correct horse\n"),
    ],
)
def test_a_key_is_only_checked_where_nothing_else_is_asked(words: list[str], stdin: bytes) -> None:
    assert unlock("luks2.img", *words, stdin=stdin) == Result(0, "", "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["luks2.img", "-d", "wrong"], 2, "No key available with this passphrase."),
        (["luks2.img", "--volume-key-file", "luks1.img.vk"], 2, "Volume key does not match the volume."),
        (["luks2.img", "-S", "2", "-d", "pass"], 1, "No usable keyslot is available."),
        (["missing"], 4, "Device missing does not exist or access denied."),
        (["directory"], 4, "Device directory is not compatible."),
        (["empty"], 1, "Device empty is not a valid LUKS device."),
        (["zeros"], 1, "Device zeros is not a valid LUKS device."),
        (["data.img", "-d", "pass"], 1, "Device data.img is not a valid LUKS device."),
    ],
)
def test_failures_have_cryptsetup_s_words_and_codes(words: list[str], code: int, message: str) -> None:
    result = unlock(*words)
    assert (result.code, result.err.splitlines()[-1]) == (code, message)
    assert result.out == ""


def test_a_detached_header_opens_its_device(tmp_path: Path) -> None:
    result = unlock("data.img", "--header", "detached.hdr", "--to", tmp_path / "out", "-d", "pass")
    assert result == Result(0, "", "")
    assert (tmp_path / "out").stat().st_size == 1 << 20


def test_json_tells_what_was_found(tmp_path: Path) -> None:
    found = json.loads(unlock("luks2.img", "--json").out)
    assert found.pop("uuid").count("-") == 4
    assert found == {"device": "luks2.img", "version": 2, "keyslot": 0}
    out = str(tmp_path / "out")
    found = json.loads(unlock("luks1.img", "--json", "--to", out, "--from", "5", "-d", "other").out)
    assert (found["keyslot"], found["to"], found["from"], found["length"]) == (
        1,
        out,
        5,
        os.stat(out).st_size,
    )


def test_a_file_that_is_there_is_kept_but_for_force(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"before")
    result = unlock("luks2.img", "--to", tmp_path / "out", "--length", "5")
    assert (result.code, result.err) == (1, f"File {tmp_path}/out exists already; --force replaces it.\n")
    assert (tmp_path / "out").read_bytes() == b"before"
    assert unlock("luks2.img", "--to", tmp_path / "out", "--length", "5", "--force").code == 0
    assert (tmp_path / "out").read_bytes() == plaintext("luks2.img")[:5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--test", "--to", "x"], "--test and --to are mutually exclusive"),
        (["--from", "1"], "Option --from needs --to."),
        (["--length", "1"], "Option --length needs --to."),
        (["--force"], "Option --force needs --to."),
        (["--sparse", "--to", "-"], "Option --sparse needs a file"),
        (["--json", "--to", "-"], "Option --json is not possible"),
        (["--to", "x", "--from", "1X"], "Invalid size specification"),
        (["--to", "x", "--from", "-1"], "Invalid size specification"),
        (["--volume-key-file", "x", "--volume-key-keyring", "y"], "mutually exclusive"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_asked(
    words: list[str], message: str
) -> None:
    result = unlock("luks2.img", *words, stdin=b"")
    assert result.code == 1
    assert message in result.err
    assert not Path("x").exists()


def test_a_part_that_is_not_there_is_refused(tmp_path: Path) -> None:
    result = unlock("luks2.img", "--to", tmp_path / "out", "--from", "1G")
    assert result.code == 1
    assert "are not in it" in result.err
    assert not (tmp_path / "out").exists()


def test_the_device_itself_is_no_place_for_its_plaintext(folder: Path) -> None:
    before = Path("luks2.img").read_bytes()
    for target in ("luks2.img", f"{folder}/./luks2.img"):
        result = unlock("luks2.img", "--to", target, "--force")
        assert result.code == 1
        assert "is, or holds, what is being read" in result.err
    assert Path("luks2.img").read_bytes() == before


# -- what can go wrong around it


def test_a_fifo_is_no_device_and_does_not_hang(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def body() -> None:
        for action in ("isLuks", "luksDump", "luksUUID", "unlock", "open --test-passphrase"):
            assert ours([*action.split(), fifo]).code == 4

    in_child(body)


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        result = unlock("luks2.img", "--to", tmp_path / "out")
        assert (result.code, result.err) == (1, f"Cannot write {tmp_path}/out: File too large.\n")

    in_child(body)
    assert list(tmp_path.iterdir()) == []
    with open("/dev/full", "wb") as full:
        child = run("unlock", "luks1.img", "--to", "-", "-d", "pass", stdout=full)
        _, said = child.communicate(timeout=HANGS_AFTER_S)
    assert (child.returncode, said) == (1, b"Cannot write the output: No space left on device.\n")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_fifo_or_a_link_is_not_written_to(tmp_path: Path, force: list[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name, said in (("fifo", "is a FIFO"), ("link", "is a symbolic link")):
        result = unlock("luks2.img", "--to", tmp_path / name, *force)
        assert result.code == 1
        assert said in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "link"]


def run(*words: str | Path, **how: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "kdumpkey", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **how)  # type: ignore[call-overload, no-any-return]


def test_a_closed_pipe_is_an_error_and_no_traceback() -> None:
    child = run("unlock", "luks2.img", "--to", "-", "-d", "pass", stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read(1)
    child.stdout.close()
    _, said = child.communicate(timeout=HANGS_AFTER_S)
    assert child.returncode == 1
    assert said == b"Cannot write the output: Broken pipe.\n"


@pytest.mark.parametrize("words", [["luksDump", "luks2.img"], ["luksUUID", "luks2.img"], ["--version"]])
def test_output_that_cannot_be_written_is_an_error(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        child = run(*words, stdout=full)
        _, said = child.communicate(timeout=HANGS_AFTER_S)
    assert child.returncode == 1
    assert said == b"kdumpkey: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    with run("unlock", "luks2.img", "--to", "-", "-d", "pass", stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(1)  # from here on it decrypts, and waits when the pipe is full
        child.send_signal(number)
        said = child.stderr.read()
    assert child.returncode in (130, -number)
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def with_little_memory(*words: str) -> Result:
    """unlock of an image that asks for a GiB, in a process that may have a quarter of that."""
    if not Path("huge.img").exists():
        make_huge(Path("huge.img"))
    limit = 256 << 20
    command = [sys.executable, "-m", "kdumpkey", "unlock", "huge.img", "-d", "pass", *words]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_memory_that_argon2_lacks_is_said_with_both_numbers_before_it_runs() -> None:
    result = with_little_memory()
    assert result.code == 3
    assert re.fullmatch(
        r"keyslot 0 needs 1048576 KiB for argon2id, \d+ MiB are available here.*\n", result.err, re.I
    )


def test_without_the_memory_check_argon2_itself_fails_in_order() -> None:
    result = with_little_memory("--kdf-memory-check=off")
    assert result.code == 3
    assert "Traceback" not in result.err
    assert "are available here" not in result.err


def make_huge(path: Path) -> None:
    """A header that asks for a GiB: only its numbers are read."""
    from kdumpkey.luks import luks2, read_header
    from kdumpkey.luks.model import Luks2Header

    content = bytearray(Path("argon.img").read_bytes())
    with open_luks("argon.img") as luks:
        header = read_header(luks.device)
    assert isinstance(header, Luks2Header)
    header.json["keyslots"]["0"]["kdf"]["memory"] = 1 << 20  # type: ignore[index, call-overload]
    for secondary in (False, True):
        copy = luks2.serialise(header, secondary=secondary, salt=bytes(64))
        at = header.metadata_size if secondary else 0
        content[at : at + len(copy)] = copy
    path.write_bytes(content)


# -- the engine's tiers


@pytest.mark.parametrize("tier", tiers())
def test_a_tier_named_in_the_environment_is_a_demand(tier: str, tmp_path: Path) -> None:
    result = unlock("luks2.img", "--to", tmp_path / "out", "--length", "64K", KDUMPKEY_AESXTS=tier)
    if tier_status(tier) == "usable":
        assert result == Result(0, "", "")
        assert (tmp_path / "out").read_bytes() == plaintext("luks2.img")[: 64 << 10]
    else:
        assert result.code == 1
        assert tier in result.err
        assert list(tmp_path.iterdir()) == []


def test_a_tier_that_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    result = unlock("luks2.img", "--to", tmp_path / "out", KDUMPKEY_AESXTS="sse9")
    assert result.code == 1
    assert "sse9" in result.err
    assert list(tmp_path.iterdir()) == []


def test_three_ways_not_to_have_a_tier_are_three_errors(tmp_path: Path) -> None:
    said = set()
    for tier in ("sse9", *(tier for tier in tiers() if tier_status(tier) != "usable")):
        result = unlock("luks2.img", "--to", tmp_path / "out", KDUMPKEY_AESXTS=tier)
        said.add(result.err.replace(tier, "TIER"))
    statuses = {tier_status(tier) for tier in tiers()} - {"usable"}
    assert len(said) == 1 + len(statuses)


# -- what the program says of itself


def test_version_help_and_usage_go_to_standard_output() -> None:
    version = ours(["--version"])
    assert (version.code, version.out, version.err) == (0, "kdumpkey 0.2.0\n", "")
    for words in (["--help"], ["-?"], ["unlock", "--help"], ["--usage"]):
        result = ours(words)
        assert (result.code, result.err) == (0, "")
        assert "kdumpkey" in result.out
    assert "--sparse" in ours(["unlock", "--help"]).out
    assert ours(["--test-args", "unlock", "missing"]).code == 0


def test_verbose_tells_the_keyslot_and_the_outcome() -> None:
    assert unlock("luks1.img", "-v").out == "Key slot 0 unlocked.\nCommand successful.\n"
    assert unlock("luks1.img", "-v", "-d", "wrong").out.endswith(
        "Command failed with code -2 (no permission or bad passphrase).\n"
    )
