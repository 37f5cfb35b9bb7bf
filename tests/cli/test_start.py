"""What a run imports: a short action waits for no module that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import unmeasured

pytestmark = pytest.mark.every_python

# Runs the console script's function, and names the modules that were there when it ended.
_PROGRAM = """
import sys
from kdumpkey.cli import entry_point
try:
    entry_point()
finally:
    print("modules", *sys.modules, file=sys.stderr)
"""

_NEVER = {
    "argon2",  # its bindings are enough
    "asyncio",
    "cryptography",
    "email",
    "http",
    "importlib.metadata",
    "kdumpkey.kdump",
    "kdumpkey.keyring",
    "kdumpkey.mapping",
    "kdumpkey.mock",
    "kdumpkey.region",
    "kdumpkey.volume.volume",
    "pydantic",
    "pydoc",
    "rich",
    "socket",
    "ssl",
    "tempfile",
    "unittest",
    "xml",
}
_NOT_TO_FORMAT = {
    "kdumpkey.crypto.calibrate",
    "kdumpkey.luks.signatures",
    "kdumpkey.luks.unlock",
    "kdumpkey.luks.device",
}


def _modules_of(*words: str) -> set[str]:
    program = [sys.executable, "-c", _PROGRAM, *words]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=unmeasured())
    return set(done.stderr.splitlines()[-1].split()[1:])


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    device, key = tmp_path / "device", tmp_path / "key"
    device.touch()
    key.write_bytes(b"correct horse")
    options = "-q --pbkdf-force-iterations 4 --pbkdf-memory 32"
    return ["luksFormat", *options.split(), str(device), str(key)]


def test_formatting_with_forced_costs_imports_nothing_to_measure_open_or_ask_with(words: list[str]) -> None:
    modules = _modules_of(*words)
    assert "kdumpkey.luks.create" in modules
    assert modules.isdisjoint(_NEVER | _NOT_TO_FORMAT), sorted(modules & (_NEVER | _NOT_TO_FORMAT))


def test_checking_a_passphrase_imports_nothing_to_write_or_hand_over_with(words: list[str]) -> None:
    _modules_of(*words)
    modules = _modules_of("unlock", "--test", "--key-file", words[-1], words[-2])
    unneeded = _NEVER | {"kdumpkey.luks.store", "kdumpkey.luks.create", "kdumpkey.crypto.calibrate"}
    assert "kdumpkey.luks.unlock" in modules
    assert modules.isdisjoint(unneeded), sorted(modules & unneeded)


@pytest.mark.parametrize("word", ["--version", "--help", "--usage"])
def test_what_no_action_does_imports_no_action(word: str) -> None:
    unneeded = _NEVER | {"kdumpkey.luks", "kdumpkey.luks.device", "kdumpkey.cli.commands"}
    unneeded -= {"rich"} if word == "--help" else set()  # it draws the help
    modules = _modules_of(word)
    assert modules.isdisjoint(unneeded), sorted(modules & unneeded)
