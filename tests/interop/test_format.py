"""luksFormat: what kdumpkey makes, cryptsetup makes too, but for what is random; and both open it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from both import Result, ours, run
from tools import newer_stands_in, require_tool

PASSPHRASE = b"correct horse"
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
ARGON = ["--pbkdf-force-iterations", "4", "--pbkdf-memory", "64"]
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20

LUKS2 = [
    CHEAP,
    ARGON,
    [*ARGON, "--pbkdf", "argon2i", "--pbkdf-parallel", "2"],
    [*CHEAP, "--hash", "sha512"],
    [*CHEAP, "--hash", "sha1"],
    [*CHEAP, "--key-size", "256"],
    [*CHEAP, "--cipher", "aes-cbc-essiv:sha256"],
    [*CHEAP, "--cipher", "aes-cbc-essiv:sha256", "--key-size", "128"],
    [*CHEAP, "--cipher", "aes"],
    [*CHEAP, "--cipher", "aes-xts-plain"],
    [*CHEAP, "--sector-size", "512"],
    [*CHEAP, "--sector-size", "2048"],
    [*CHEAP, "--offset", "8192"],
    [*CHEAP, "--offset", "4096"],
    [*CHEAP, "--offset", "32768"],
    [*CHEAP, "--align-payload", "16384"],
    [*CHEAP, "--align-payload", "8"],
    [*CHEAP, "--luks2-metadata-size", "64k"],
    [*CHEAP, "--luks2-metadata-size", "4m"],
    [*CHEAP, "--luks2-keyslots-size", "1m"],
    [*CHEAP, "--luks2-keyslots-size", "1m", "--luks2-metadata-size", "128k"],
    [*CHEAP, "-S", "3"],
    [*CHEAP, "--uuid", UUID, "--label", "a label", "--subsystem", "a subsystem"],
    [*CHEAP, "--keyslot-cipher", "aes-cbc-essiv:sha256", "--keyslot-key-size", "128"],
]
LUKS1 = [
    ["--pbkdf-force-iterations", "1000"],
    ["--pbkdf-force-iterations", "1000", "--key-size", "256"],
    ["--pbkdf-force-iterations", "1000", "--key-size", "256", "--hash", "sha512"],
    ["--pbkdf-force-iterations", "1000", "--cipher", "aes-cbc-essiv:sha256", "--key-size", "128"],
    ["--pbkdf-force-iterations", "1000", "-S", "7"],
    ["--pbkdf-force-iterations", "1000", "--align-payload", "8192"],
    ["--pbkdf-force-iterations", "1000", "--offset", "8192"],
    ["--pbkdf-force-iterations", "1000", "--uuid", UUID],
]
CASES = [("luks2", each) for each in LUKS2] + [("luks1", each) for each in LUKS1]


@pytest.fixture
def cryptsetup() -> str:
    return require_tool("cryptsetup")


def blank(path: Path, size: int = 24 * MIB) -> Path:
    path.touch()
    os.truncate(path, size)
    return path


def words(device: Path, kind: str, options: list[str], header: Path | None = None) -> list[str | Path]:
    where: list[str | Path] = ["--header", header] if header else []
    return ["luksFormat", "-q", "--type", kind, *options, *where, device, "--key-file", "-"]


def known(text: str) -> str:
    """A dump without what is random or has the device's name."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,27}", "UUID", text)
    text = re.sub(r"/\S+", "PATH", text)
    return re.sub(r"\b[0-9a-f]{2}( [0-9a-f]{2})+ ?", "BYTES", text)


def json_of(cryptsetup: str, path: Path) -> dict[str, object]:
    text = run([cryptsetup, "luksDump", "--dump-json-metadata", path]).out
    found: dict[str, object] = json.loads(text)
    for section in ("keyslots", "digests"):
        for member in found[section].values():  # type: ignore[attr-defined]
            for holder in (member, member.get("kdf", {})):
                for name in ("salt", "digest"):
                    if name in holder:
                        holder[name] = len(holder[name])
    return found


@pytest.mark.parametrize(
    ("kind", "options"), CASES, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_both_make_the_same_and_open_it(
    tmp_path: Path, cryptsetup: str, kind: str, options: list[str]
) -> None:
    if options == ARGON and newer_stands_in():
        options = [
            *ARGON,
            "--pbkdf-parallel",
            "2",
        ]  # 2.8 takes 4 threads on fewer processors, if costs are forced
    mine, theirs = blank(tmp_path / "mine"), blank(tmp_path / "theirs")
    done = ours(words(mine, kind, options), PASSPHRASE)
    reference = run([cryptsetup, *words(theirs, kind, options)], PASSPHRASE)
    assert done == Result(0, reference.out, "")
    assert known(run([cryptsetup, "luksDump", mine]).out) == known(run([cryptsetup, "luksDump", theirs]).out)
    if kind == "luks2":
        assert json_of(cryptsetup, mine) == json_of(cryptsetup, theirs)
    check = ["open", "--test-passphrase", mine, "--key-file", "-"]
    assert run([cryptsetup, *check], PASSPHRASE).code == 0
    assert run([cryptsetup, *check], b"wrong").code == 2
    assert ours(["unlock", mine, "--key-file", "-"], PASSPHRASE).code == 0
    assert mine.stat().st_size == theirs.stat().st_size


def test_a_label_over_47_bytes_is_cut(tmp_path: Path, cryptsetup: str) -> None:
    mine, theirs = blank(tmp_path / "mine"), blank(tmp_path / "theirs")
    options = [*CHEAP, "--label", "x" * 60]
    assert ours(words(mine, "luks2", options), PASSPHRASE) == Result(0, "", "")
    reference = run([cryptsetup, *words(theirs, "luks2", options)], PASSPHRASE)
    dump = run([cryptsetup, "luksDump", mine]).out
    assert f"Label:         \t{'x' * 47}\n" in dump
    if newer_stands_in():  # 2.8 refuses what 2.6 cuts
        assert (reference.code, reference.err) == (1, "Label is too long.\n")
    else:
        assert known(dump) == known(run([cryptsetup, "luksDump", theirs]).out)


@pytest.mark.parametrize("kind", ["luks1", "luks2"])
def test_a_detached_header_is_made_and_opens(tmp_path: Path, cryptsetup: str, kind: str) -> None:
    options = CHEAP if kind == "luks2" else CHEAP[2:]
    dumps = []
    for name in ("mine", "theirs"):
        device, header = blank(tmp_path / name, 2 * MIB), tmp_path / f"{name}.header"
        line = words(device, kind, options, header)
        result = ours(line, PASSPHRASE) if name == "mine" else run([cryptsetup, *line], PASSPHRASE)
        assert result.code == 0
        assert device.read_bytes() == bytes(2 * MIB)
        check = ["open", "--test-passphrase", device, "--header", header, "--key-file", "-"]
        assert run([cryptsetup, *check], PASSPHRASE).code == 0
        assert ours(check, PASSPHRASE).code == 0
        dumps.append(known(run([cryptsetup, "luksDump", header]).out))
    assert dumps[0] == dumps[1]


def test_a_volume_key_from_a_file_is_the_volume_key(tmp_path: Path, cryptsetup: str) -> None:
    device = blank(tmp_path / "device")
    (tmp_path / "vk").write_bytes(bytes(range(64)))
    line = [*words(device, "luks2", CHEAP), "--volume-key-file", tmp_path / "vk"]
    assert ours(line, PASSPHRASE) == Result(0, "", "")
    check = [cryptsetup, "open", "--test-passphrase", device, "--volume-key-file", tmp_path / "vk"]
    assert run(check).code == 0


def test_a_file_that_is_too_small_is_grown_with_a_warning(tmp_path: Path, cryptsetup: str) -> None:
    mine, theirs = blank(tmp_path / "mine", MIB), blank(tmp_path / "theirs", MIB)
    said = ours(words(mine, "luks2", CHEAP), PASSPHRASE)
    reference = run([cryptsetup, *words(theirs, "luks2", CHEAP)], PASSPHRASE)
    assert said.code == reference.code == 0
    assert said == Result(0, reference.out.replace("theirs", "mine"), "")
    assert mine.stat().st_size == theirs.stat().st_size == 16 * MIB


REFUSED = [
    ["--offset", "100"],
    ["--offset", "8"],
    ["--luks2-keyslots-size", "5000"],
    ["--luks2-keyslots-size", "200m"],
    ["--luks2-metadata-size", "5k"],
    ["-S", "32"],
    ["--uuid", "nonsense"],
    ["--hash", "nonsense"],
    ["--pbkdf-force-iterations", "999"],
    ["--align-payload", "8", "--offset", "8"],
    ["--sector-size", "513"],
    ["--key-size", "7"],
]


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_cannot_be_is_refused_and_the_file_stays(
    tmp_path: Path, cryptsetup: str, options: list[str]
) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"something" * 300_000)
    before = device.read_bytes()
    line = [*words(device, "luks2", CHEAP), *options]
    mine = ours(line, PASSPHRASE)
    assert (mine.code, mine.out) == (1, "")
    assert device.read_bytes() == before
    theirs = run([cryptsetup, *line], PASSPHRASE)
    assert mine.verdict == theirs.verdict


@pytest.mark.parametrize("cipher", ["nonsense", "serpent-xts-plain64", "aes-xts-random"])
def test_a_cipher_that_is_not_implemented_is_refused_by_name(tmp_path: Path, cipher: str) -> None:
    device = blank(tmp_path / "device")
    result = ours([*words(device, "luks2", CHEAP), "--cipher", cipher], PASSPHRASE)
    assert result.code == 1
    assert cipher.partition("-")[0] in result.err
    assert device.read_bytes() == bytes(24 * MIB)


def test_a_missing_device_a_directory_and_a_read_only_file_are_refused(
    tmp_path: Path, cryptsetup: str
) -> None:
    (tmp_path / "directory").mkdir()
    for name in ("missing", "directory"):
        line = words(tmp_path / name, "luks2", CHEAP)
        mine, theirs = ours(line, PASSPHRASE), run([cryptsetup, *line], PASSPHRASE)
        assert mine == theirs


def test_costs_are_measured_where_none_are_forced(tmp_path: Path, cryptsetup: str) -> None:
    device = blank(tmp_path / "device")
    options = ["--pbkdf-memory", "65536", "--iter-time", "100"]
    assert ours(words(device, "luks2", options), PASSPHRASE) == Result(0, "", "")
    keyslot = json.loads(run([cryptsetup, "luksDump", "--dump-json-metadata", device]).out)["keyslots"]["0"]
    assert keyslot["kdf"]["type"] == "argon2id"
    assert 32 <= keyslot["kdf"]["memory"] <= 65536
    assert keyslot["kdf"]["time"] >= 4
    assert ours(words(device, "luks1", ["--iter-time", "50"]), PASSPHRASE) == Result(0, "", "")
    iterations = re.search(r"Iterations: +\t(\d+)", ours(["luksDump", device]).out)
    assert iterations is not None
    assert int(iterations[1]) > 1000


def test_a_header_stays_where_the_data_device_does_not_exist(tmp_path: Path) -> None:
    data, header = tmp_path / "data", tmp_path / "header"
    data.write_bytes(bytes(1 << 20))
    line: list[str | Path] = ["luksFormat", "-q", *CHEAP, "--header", header]
    assert ours([*line, data], b"pw").code == 0
    before = header.read_bytes()
    assert ours([*line, tmp_path / "missing"], b"pw").code == 4
    assert header.read_bytes() == before
