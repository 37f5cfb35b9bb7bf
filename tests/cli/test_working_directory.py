"""No program of ours imports a file of the working directory, however that is named."""

from __future__ import annotations

import lzma
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import roots
from kdumpkey.kdump.generate.generate import GENERATORS, generate
from tools import unmeasured

pytestmark = pytest.mark.every_python

DISK = lzma.decompress(roots.IMAGE.read_bytes())
# The console script that was installed with this Python.
SCRIPT = Path(sys.executable).with_name("kdumpkey")
PROBE = "import importlib, pkgutil, runpy, re, sys; print(*sys.modules)"


def _imported_before_ours() -> set[str]:
    """What Python's own start, `python -m` and the installed script import before anything of ours runs."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE], capture_output=True, text=True, check=True, env=unmeasured()
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a file for each name that Python or kdumpkey ever imports; importing it says so."""
    folder = tmp_path_factory.mktemp("working")
    names = {
        *sys.stdlib_module_names,
        "typer",
        "click",
        "rich",
        "cryptography",
        "argon2",
        "_argon2_cffi_bindings",
    }
    names |= {"kdumpkey", "cffi", "_cffi_backend", "sitecustomize", "usercustomize", "shellingham"}
    for name in names:
        (folder / f"{name}.py").write_text(
            f"print('{name} of the working directory')\nraise SystemExit(99)\n"
        )
    (folder / "disk.img").write_bytes(DISK)
    return folder


@pytest.fixture(scope="module")
def ours(full: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but for what is imported before anything of ours runs."""
    folder = tmp_path_factory.mktemp("ours")
    before = {*_imported_before_ours(), "kdumpkey", "sitecustomize", "usercustomize"}
    for path in full.iterdir():
        if path.stem not in before:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _run(folder: Path, *command: str | Path, path: str | None = None) -> tuple[int, str, str]:
    environment = {name: value for name, value in unmeasured().items() if not name.startswith("PYTHON")}
    if path is not None:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [*command, "luksUUID", "disk.img"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_those_files_are_imported_by_a_python_that_looks_there(full: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import typer"],
        cwd=full,
        env=unmeasured(),
        capture_output=True,
        text=True,
        check=False,
    )
    # Newer releases import other modules before that one.
    assert done.returncode == 99
    assert re.fullmatch(r"\w+ of the working directory\n", done.stdout)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, str]:
    folder = tmp_path_factory.mktemp("empty")
    (folder / "disk.img").write_bytes(DISK)
    done = _run(folder, SCRIPT)
    assert done == (0, f"{roots.UUID}\n", "")
    return done


def test_the_console_script_imports_none_of_them(full: Path, expected: tuple[int, str, str]) -> None:
    assert _run(full, SCRIPT) == expected


def test_nor_does_an_isolated_module(full: Path, expected: tuple[int, str, str]) -> None:
    assert _run(full, sys.executable, "-I", "-m", "kdumpkey", path=str(full)) == expected


def test_nor_does_anything_that_is_generated(
    full: Path, expected: tuple[int, str, str], tmp_path: Path
) -> None:
    files = {**roots.fedora(), "dev/mapper/root": "", "usr/lib/systemd/system/kdump.service": "[Service]\n"}
    machine = roots.build(tmp_path, files)
    changes = [change for kind in GENERATORS for change in generate(kind, machine)]
    named = [line for change in changes for line in change.after.splitlines() if sys.executable in line]
    assert len(named) == 3  # the service, dracut's module and initramfs-tools' hook
    for line in named:
        words = re.search(rf'"?{re.escape(sys.executable)}.*? "?kdump"? ', line)
        assert words
        program = shlex.split(words[0])[:-1]
        assert program == [sys.executable, "-I", "-m", "kdumpkey"]
        assert _run(full, *program, path=str(full)) == expected


def test_python_m_imports_none_once_it_has_come_to_us(ours: Path, expected: tuple[int, str, str]) -> None:
    assert {"typer.py", "json.py", "subprocess.py", "secrets.py", "argon2.py"} <= set(os.listdir(ours))
    assert _run(ours, sys.executable, "-m", "kdumpkey") == expected


@pytest.mark.parametrize("path", [":/none", "/none:", "/none::/none"])
def test_an_empty_word_of_pythonpath_is_not_the_working_directory(
    path: str, ours: Path, expected: tuple[int, str, str]
) -> None:
    assert _run(ours, SCRIPT, path=path) == expected
    assert _run(ours, sys.executable, "-m", "kdumpkey", path=path) == expected


def test_a_directory_that_pythonpath_names_is_searched_as_ever(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise SystemExit(99)\n")
    assert _run(tmp_path, SCRIPT, path=str(tmp_path))[0] == 99


def test_a_working_directory_that_was_removed_is_no_fault(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = [
        "sh",
        "-c",
        'rmdir "$1"; shift; exec "$@"',
        "sh",
        str(gone),
        sys.executable,
        "-m",
        "kdumpkey",
        "--version",
    ]
    done = subprocess.run(words, cwd=gone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
