"""The files that the kdump kernel's program may need, also of modules that put another in their place."""

from __future__ import annotations

import json
import os
import string
import subprocess
import sys
from pathlib import Path

import pytest

import kdumpkey
from kdumpkey.kdump.runtime_modules import imported, runtime_modules

pytestmark = pytest.mark.every_python

REPLACED = "import sys, string\nsys.modules[__name__] = string\n"
STRING = Path(str(string.__file__))
# Runs the program in-process, and says what was imported by then.
OBSERVED = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from kdumpkey.capture.main import main
from kdumpkey.streams import Streams
null = os.open(os.devnull, os.O_WRONLY)
for words in json.loads(sys.argv[2]):
    main(words, Streams(0, null, null))
print("\\n".join(sys.modules))
"""


def _package(folder: Path, **texts: str) -> Path:
    for name, text in {"__init__": "", **texts}.items():
        path = folder / "kdumpkey" / f"{name.replace('__of__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def _files_of(name: str, listed: list[tuple[str, Path]]) -> set[Path]:
    return {file for each, file in listed if each == name}


def test_a_module_that_puts_another_in_its_place_comes_with_both_files(tmp_path: Path) -> None:
    listed = imported(_package(tmp_path, replaced=REPLACED), ["kdumpkey.replaced"])
    assert _files_of("kdumpkey.replaced", listed) == {tmp_path / "kdumpkey/replaced.py", STRING}


def test_so_does_a_package(tmp_path: Path) -> None:
    (tmp_path / "kdumpkey/other").mkdir(parents=True)
    (tmp_path / "kdumpkey/other/__init__.py").write_text(REPLACED)
    listed = imported(_package(tmp_path), ["kdumpkey.other"])
    assert _files_of("kdumpkey.other", listed) == {tmp_path / "kdumpkey/other/__init__.py", STRING}


def test_what_a_module_names_comes_along_only_where_the_module_can_be_imported(tmp_path: Path) -> None:
    home = _package(tmp_path, fine="", broken="import cryptography", ssl="import _hashlib")
    names = ["kdumpkey.fine colorsys", "kdumpkey.broken sched", "kdumpkey.ssl poplib", "kdumpkey.none wave"]
    listed = {name for name, _ in imported(home, names, ["_hashlib"])}
    assert {"kdumpkey.fine", "colorsys"} <= listed
    assert not {"kdumpkey.broken", "sched", "kdumpkey.ssl", "poplib", "wave", "cryptography"} & listed


def test_a_name_that_the_module_above_it_set_comes_with_that_module_s_file() -> None:
    listed = imported(Path("/"), ["collections.abc", "os"])
    assert len(_files_of("os.path", listed)) == 1
    by_name = STRING.with_name("collections") / "abc.py"
    assert (by_name in _files_of("collections.abc", listed)) == by_name.exists()


def test_all_that_the_program_was_seen_to_import_is_listed(tmp_path: Path) -> None:
    device, file, key = tmp_path / "disk", tmp_path / "file", tmp_path / "key"
    with device.open("wb") as made:
        made.truncate(32 << 20)
    file.write_bytes(b"what is saved")
    key.write_bytes(os.urandom(64))
    costs = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--volume-key-file", key]
    subprocess.run(
        [sys.executable, "-m", "kdumpkey", "luksFormat", "-q", *costs, device, "-"],
        input=b"passphrase",
        check=True,
    )
    given = ["--volume-key-file", str(key)]
    commands = [
        ["test", str(device), *given],
        ["save", str(device), str(file), *given],
        ["open", str(device), "kdk-runtime-modules", "--readonly", "--key-description", "none"],
        ["test", str(file), *given],
        ["restore"],
        ["--help"],
        ["no-such-action"],
    ]
    home = str(
        Path(kdumpkey.__file__).resolve().parents[1]
    )  # the package that is tested, wherever it is installed
    done = subprocess.run(
        [sys.executable, "-IS", "-c", OBSERVED, home, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = set(done.stdout.split()) - {"__main__"}
    files = {name for name, _ in runtime_modules(openssl=False)} | set(sys.builtin_module_names)
    assert {"kdumpkey.volume.volume", "kdumpkey.luks.elsewhere", "kdumpkey.kernel.linux.restore"} <= seen
    assert {name for name in seen - files if getattr(sys.modules.get(name), "__file__", None)} == set()
