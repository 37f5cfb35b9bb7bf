"""kdump install: what is put into a root file system runs there, alone, and opens a LUKS image."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdumpkey.errors import OutputError, UsageError
from kdumpkey.kdump import runtime_modules
from kdumpkey.kdump.install import CAPTURE_PROGRAM, PACKAGES, PROGRAM, Installation, install
from kdumpkey.luks.device import open_luks
from roots import IMAGE, UUID
from tools import chrooted

pytestmark = pytest.mark.every_python

MOST_BYTES = 64 << 20
IMPORT_EACH = """
import importlib, json, sys
names = json.load(sys.stdin)
sys.path.insert(0, sys.argv[1])
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Installation]:
    root = tmp_path_factory.mktemp("initramfs")
    # As dracut and mkinitramfs leave it on a system whose /lib is a link, but for the link's being absolute.
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("/usr/lib")
    return root, install(root)


def test_it_is_bytecode_of_moderate_size_and_nothing_lies_outside(made: tuple[Path, Installation]) -> None:
    root, done = made
    assert done.nbytes <= MOST_BYTES
    assert not list(root.rglob("*.py"))
    links = [path for path in root.rglob("*") if path.is_symlink() and path != root / "lib"]
    assert all(path.resolve().is_relative_to(root) for path in links)
    assert done.tried == (os.geteuid() == 0)


def test_it_opens_an_image_there_with_nothing_else_around(made: tuple[Path, Installation]) -> None:
    root, _ = made
    (root / "disk.img").write_bytes(lzma.decompress(IMAGE.read_bytes()))
    (root / "key").write_text("correct horse battery staple")  # tests/images/make.sh
    done = subprocess.run(
        [*chrooted(root), PROGRAM, "unlock", "/disk.img", "--key-file", "/key", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath + ":/usr/sbin"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["uuid"] == UUID


def test_the_kdump_kernels_program_checks_a_volume_key_there(made: tuple[Path, Installation]) -> None:
    root, _ = made
    (root / "disk.img").write_bytes(lzma.decompress(IMAGE.read_bytes()))
    with open_luks(root / "disk.img") as luks, luks.unlock(b"correct horse battery staple") as opened:
        (root / "volume-key").write_bytes(bytes(memoryview(opened.volume_key)))
    for key, code in (("/volume-key", 0), ("/disk.img", 2)):
        done = subprocess.run(
            [*chrooted(root), CAPTURE_PROGRAM, "test", "/disk.img", "--volume-key-file", key],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.defpath + ":/usr/sbin"},
        )
        assert done.returncode == code, done.stderr


def test_every_module_that_it_may_import_can_be_imported_there_alone(made: tuple[Path, Installation]) -> None:
    root, _ = made
    listed = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", runtime_modules.__name__], capture_output=True, check=True
    )
    names = sorted({name for name, _ in json.loads(listed.stdout)})
    assert {"collections.abc", "importlib.abc", "os.path", "kdumpkey.cli.commands.unlock"} <= set(names)
    python = Path(sys.executable).resolve()
    done = subprocess.run(
        [*chrooted(root), python, "-ISW", "ignore", "-c", IMPORT_EACH, str(PACKAGES)],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath + ":/usr/sbin"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_second_run_leaves_all_as_it_is(made: tuple[Path, Installation]) -> None:
    root, first = made
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert install(root).files < first.files / 10
    for program in (PROGRAM, CAPTURE_PROGRAM):
        del before[root / str(program)[1:]]
    assert {path: path.lstat().st_mtime_ns for path in before} == before


def test_a_directory_that_is_none_or_the_root_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a directory"):
        install(tmp_path / "none")
    with pytest.raises(UsageError, match="running system"):
        install(Path("/"))


def test_a_program_that_would_not_run_there_is_told(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may run a program in another root")
    python = tmp_path / str(Path(sys.executable).resolve())[1:]
    python.parent.mkdir(parents=True)
    python.write_text("no program")
    with pytest.raises(OutputError, match="does not run"):
        install(tmp_path)
