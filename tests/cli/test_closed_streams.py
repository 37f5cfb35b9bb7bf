"""Standard streams that are closed when the program starts: no device takes their place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from both import ENVIRONMENT, Result
from tools import HANGS_AFTER_S

OPENED = [0, 1, 2]
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]


def run_closed(closed: list[int], line: list[str], folder: Path) -> Result:
    """A run that begins with these streams closed, standard input empty unless it is one of them."""
    words = " ".join(f"{fd}>&-" for fd in closed)
    command = ["sh", "-c", f'exec "$@" {words}', "sh", sys.executable, "-m", "kdumpkey", *line]
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        check=False,
        timeout=HANGS_AFTER_S,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def with_closed(closed: list[int], line: list[str], folder: Path) -> int:
    """The exit code of such a run."""
    return run_closed(closed, line, folder).code


@pytest.fixture
def device(tmp_path: Path, folder: Path) -> Path:
    for name in ("luks1.img", "pass"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "luks1.img").chmod(0o600)
    return tmp_path / "luks1.img"


@pytest.mark.parametrize("closed", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_a_message_to_a_closed_stream_is_not_written_over_the_header(
    device: Path, closed: list[int], folder: Path
) -> None:
    line = ["luksKillSlot", "-v", "-q", device.name, "5"]  # which is not active
    assert with_closed(closed, line, device.parent) == 1
    assert device.read_bytes() == (folder / "luks1.img").read_bytes()


def test_what_is_said_of_a_change_is_not_written_over_the_header(device: Path) -> None:
    # Nobody hears of it, and so it fails; what it has done until then is whole.
    assert with_closed([1], ["erase", "-v", "-q", device.name], device.parent) == 1
    assert device.read_bytes().startswith(b"LUKS\xba\xbe\x00\x01")


def test_a_closed_standard_input_is_no_passphrase(device: Path, folder: Path) -> None:
    line = ["luksAddKey", "-q", *CHEAP, device.name, "pass"]
    assert with_closed([0], line, device.parent) == 1
    assert device.read_bytes() == (folder / "luks1.img").read_bytes()


# What reads standard input, and says so where there is none. The device is luks1.img, whose key is in `pass`.
READING = {
    "encrypt -q - luks1.img -d pass": "Cannot read standard input: Bad file descriptor.",
    "encrypt -q zeros luks1.img -d -": "Error reading passphrase.",
    "unlock luks1.img": "Error reading passphrase.",
    "unlock luks1.img -d -": "Error reading passphrase.",
    "unlock luks1.img -d /dev/stdin": "Error reading passphrase.",
    "unlock luks1.img --volume-key-file /dev/stdin": "Cannot read 64 bytes from keyfile /dev/stdin.",
    "open --test-passphrase luks1.img": "Error reading passphrase.",
    "luksDump -q --dump-volume-key luks1.img": "Error reading passphrase.",
    "luksAddKey -q luks1.img -d pass": "Error reading passphrase.",
    "luksAddKey -q luks1.img -d pass -": "Error reading passphrase.",
    "luksChangeKey -q luks1.img": "Error reading passphrase.",
    "luksRemoveKey -q luks1.img": "Error reading passphrase.",
    "luksFormat -q luks1.img": "Error reading passphrase.",
    "token import luks2.img": "Failed to read JSON file.",
}
WRITING = (
    "isLuks -v luks1.img",
    "luksUUID luks1.img",
    "luksDump luks1.img",
    "luksDump --json luks1.img",
    "luksDump --dump-json-metadata luks2.img",
    "luksDump -q --dump-volume-key luks1.img -d pass",
    "unlock --json luks1.img -d pass",
    "unlock --to - luks1.img -d pass",
    "--help",
    "--version",
    "unlock --help",
    "region show",
    "kdump estimate --ram 8G",
    "kdump doctor",
    "mock scenarios",
)


@pytest.fixture
def both(device: Path, folder: Path) -> Path:
    shutil.copy(folder / "luks2.img", device.parent)
    (device.parent / "luks2.img").chmod(0o600)
    (device.parent / "zeros").write_bytes(bytes(512))
    return device.parent


@pytest.mark.parametrize("line", READING)
def test_a_closed_standard_input_is_named_and_changes_nothing(both: Path, folder: Path, line: str) -> None:
    done = run_closed([0], line.split(), both)
    assert done.code in (1, 4)
    assert done.err.splitlines()[-1] == READING[line]
    for name in ("luks1.img", "luks2.img"):
        assert (both / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("line", WRITING)
def test_a_closed_standard_output_is_an_error_that_is_named(both: Path, line: str) -> None:
    done = run_closed([1], line.split(), both)
    assert (done.code, done.out) == (1, "")
    assert done.err.lower().endswith("cannot write the output: bad file descriptor\n") or done.err.endswith(
        "Cannot write the output: Bad file descriptor.\n"
    )


@pytest.mark.parametrize("line", ["unlock luks1.img -d pass", "unlock luks1.img -d absent", "--version"])
def test_a_closed_standard_error_changes_no_exit_code(both: Path, line: str) -> None:
    assert run_closed([2], line.split(), both).code == run_closed([], line.split(), both).code


@pytest.mark.parametrize("closed", [[0], [2], [0, 2]])
def test_plaintext_is_written_whole_where_other_streams_are_closed(both: Path, closed: list[int]) -> None:
    done = run_closed(closed, ["unlock", "luks1.img", "-d", "pass", "--to", "plain"], both)
    assert (done.code, done.out) == (0, "")
    assert (both / "plain").stat().st_size == (both / "luks1.img").stat().st_size - 2 * 1024 * 1024
