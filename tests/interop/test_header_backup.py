"""luksHeaderBackup: the same file as cryptsetup's, or none."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from both import Result, ours, run
from forked import in_child
from tools import require_tool

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
CHEAP = ["--pbkdf-force-iterations", "1000"]
KINDS = {
    "luks1": ["--type", "luks1", *CHEAP],
    "luks1 256": ["--type", "luks1", *CHEAP, "--key-size", "256"],
    "luks2": ["--type", "luks2", "--pbkdf", "pbkdf2", *CHEAP],
    "luks2 small": ["--type", "luks2", "--pbkdf", "pbkdf2", *CHEAP, "--offset", "8192"],
}


@pytest.fixture(scope="module", params=KINDS)
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("device") / "device"
    path.touch()
    os.truncate(path, 20 * MIB)
    command = [require_tool("cryptsetup"), "luksFormat", "-q", *KINDS[request.param], path, "-d", "-"]
    assert run(command, b"correct horse").code == 0
    path.chmod(0o400)
    return path


def test_the_file_is_cryptsetups_and_private(device: Path, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    assert ours(["luksHeaderBackup", device, "--header-backup-file", mine]) == Result(0, "", "")
    assert (
        run([require_tool("cryptsetup"), "luksHeaderBackup", device, "--header-backup-file", theirs]).code
        == 0
    )
    assert mine.read_bytes() == theirs.read_bytes()
    assert stat.S_IMODE(mine.stat().st_mode) == 0o400
    assert (
        run([require_tool("cryptsetup"), "open", "--test-passphrase", mine, "-d", "-"], b"correct horse").code
        == 0
    )


@pytest.mark.parametrize(
    "words", [["missing"], ["text"], ["DEVICE"], ["DEVICE", "there"], ["DEVICE", "no/b"]]
)
def test_both_refuse_alike(
    device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no LUKS device")
    (tmp_path / "there").write_text("a file")
    line = ["luksHeaderBackup", str(device) if words[0] == "DEVICE" else words[0]]
    if len(words) > 1:
        line += ["--header-backup-file", words[1]]
    elif words[0] != "DEVICE":
        line += ["--header-backup-file", "new"]
    mine, theirs = ours(line), run([require_tool("cryptsetup"), *line])
    assert mine == theirs
    assert (tmp_path / "there").read_text() == "a file"
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_no_half_backup(device: Path, tmp_path: Path) -> None:
    def body() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        result = ours(["luksHeaderBackup", device, "--header-backup-file", tmp_path / "backup"])
        assert (result.code, result.out) == (1, "")
        assert "Cannot write header backup file" in result.err

    in_child(body)
    assert list(tmp_path.iterdir()) == []
