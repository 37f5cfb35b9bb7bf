"""config, token and luksUUID --uuid: kdumpkey and cryptsetup change the same, and say the same."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.cli.app import Program
from tools import newer_stands_in, require_tool

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
PASSPHRASE = b"correct horse"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    device = tmp_path_factory.mktemp("image") / "device"
    device.touch()
    os.truncate(device, 3 * MIB)
    options = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-size", "256"]
    options += ["--offset", "4096", "--type", "luks2"]
    command = [require_tool("cryptsetup"), "luksFormat", "-q", *options, device, "-d", "-"]
    assert run(command, PASSPHRASE).code == 0
    return device.read_bytes()


def state(cryptsetup: str, device: Path) -> tuple[str, str]:
    """What a header says, but for how often it was written: cryptsetup adds a token in two steps."""
    dump = re.sub(r"Epoch: .*", "", run([cryptsetup, "luksDump", device]).out)
    return dump, run([cryptsetup, "luksDump", "--dump-json-metadata", device]).out


# Each is run one after the other, by either program on its own copy, and must come to the same.
STORIES = {
    "config": [
        "config DEV",
        "config DEV --priority prefer",
        "config DEV --priority prefer -S 0 -v",
        "config DEV --priority ignore -S 0",
        "config DEV --priority normal -S 0",
        "config DEV --priority prefer -S 4",
        "config DEV --priority sometimes -S 0",
        "config DEV --label hello --subsystem sub",
        "config DEV --label other",
        "config DEV --label hello --subsystem sub",
        "config DEV --subsystem other",
        "config missing --label x",
    ],
    "uuid": [
        f"luksUUID DEV --uuid {UUID}",
        "luksUUID DEV",
        "luksUUID DEV --uuid nonsense",
        f"luksUUID DEV --uuid {UUID}x",
        f"luksUUID missing --uuid {UUID}",
    ],
    "token add": [
        "token add DEV",
        "token add DEV --key-description a:b",
        "token add DEV --key-description a:c --token-id 5 -S 0 -v",
        "token add DEV --key-description a:d --token-id 5",
        "token add DEV --key-description a:e --token-id 5 --token-replace",
        "token add DEV --key-description z --token-id 40",
        "token add DEV --key-description z --token-id 7 -S 9",
        "token export DEV --token-id 5",
        "token export DEV --token-id 9",
        "token export DEV",
        "token remove DEV",
        "token remove DEV --token-id 9",
        "token remove DEV --token-id 5",
        "token frob DEV",
    ],
    "token import": [
        "token import DEV --json-file good -v",
        "token import DEV --json-file good --token-id 3 -S 0",
        "token import DEV --json-file dangling",
        "token import DEV --json-file junk",
        "token import DEV --json-file none",
        "token import DEV --json-file good --token-id 3",
        "token import DEV --json-file good --token-id 3 --token-replace",
        "token remove DEV --token-id 0",
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_both_change_and_say_the_same(
    tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    cryptsetup = require_tool("cryptsetup")
    device = tmp_path / "device"
    monkeypatch.chdir(tmp_path)
    files = {
        "good": '{"type":"foo","keyslots":["0"],"a":[1,{"b":null}],"c":"é"}',
        "dangling": '{"type":"foo","keyslots":["7"]}',
        "junk": "junk",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    mine, theirs = image, image
    for line in STORIES[story]:
        words = [str(device) if word == "DEV" else word for word in line.split()]
        device.write_bytes(mine)
        said = ours(words)
        mine, my_state = device.read_bytes(), state(cryptsetup, device)
        device.write_bytes(theirs)
        reference = run([cryptsetup, *words])
        theirs, their_state = device.read_bytes(), state(cryptsetup, device)
        assert (said.verdict, said.out) == (reference.verdict, reference.out), line
        assert my_state == their_state, line


def test_a_label_over_47_bytes_is_cut(tmp_path: Path, image: bytes) -> None:
    line: list[str | Path] = ["config", tmp_path / "device", "--label", "1234567890" * 6, "--subsystem", "s"]
    cryptsetup, device, states = require_tool("cryptsetup"), tmp_path / "device", []
    for program in (ours, lambda words: run([cryptsetup, *words])):
        device.write_bytes(image)
        done = program(line)
        states.append((done, state(cryptsetup, device)))
    assert states[0][0] == Result(0, "", "")
    assert f"Label:         \t{('1234567890' * 6)[:47]}\n" in states[0][1][0]
    if newer_stands_in():  # 2.8 refuses what 2.6 cuts
        assert states[1][0] == Result(1, "", "Label is too long.\n")
    else:
        assert states[0] == states[1]


def test_a_file_that_is_there_is_replaced_by_the_exported_token(
    tmp_path: Path, image: bytes, each_cryptsetup: str
) -> None:
    device, files = tmp_path / "device", [tmp_path / "mine", tmp_path / "theirs"]
    device.write_bytes(image)
    assert ours(["token", "add", device, "--key-description", "a:b"]).code == 0
    files[0].write_text("x" * 5000)
    files[1].write_text("x")
    words = ["token", "export", device, "--token-id", "0", "--json-file"]
    assert ours([*words, files[0]]).code == run([each_cryptsetup, *words, files[1]]).code == 0
    assert files[0].read_text() == files[1].read_text()


def test_a_token_is_exported_over_no_link_and_not_over_its_own_device(tmp_path: Path, image: bytes) -> None:
    device, link = tmp_path / "device", tmp_path / "link"
    device.write_bytes(image)
    link.symlink_to(device)
    assert ours(["token", "add", device, "--key-description", "a:b"]).code == 0
    before = device.read_bytes()
    for path in (device, link):
        result = ours(["token", "export", device, "--token-id", "0", "--json-file", path])
        assert result.verdict == (1, f"Failed to open file {path} in write mode.")
    assert device.read_bytes() == before


def test_an_exported_token_comes_back(tmp_path: Path, image: bytes) -> None:
    device, out = tmp_path / "device", tmp_path / "token.json"
    device.write_bytes(image)
    assert ours(["token", "add", device, "--key-description", "a:b"]).code == 0
    assert ours(["token", "export", device, "--token-id", "0", "--json-file", out]).code == 0
    assert json.loads(out.read_text())["key_description"] == "a:b"
    assert ours(["token", "remove", device, "--token-id", "0"]).code == 0
    assert ours(["token", "import", device, "--json-file", out]).code == 0
    assert (
        run([require_tool("cryptsetup"), "token", "export", device, "--token-id", "0"]).out == out.read_text()
    )


def test_luksconfig_is_config() -> None:
    assert Program.aliases["luksConfig"].action == "config"
