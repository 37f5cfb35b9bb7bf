"""kdump install: what is put into a root file system runs there, alone, and takes a volume key."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpkey.errors import OutputError, UsageError
from kdumpkey.kdump import install as installing
from kdumpkey.kdump.install import PACKAGES, PROGRAM, Installed, install
from kdumpkey.kdump.runtime_modules import runtime_modules
from kdumpkey.luks.device import open_luks
from roots import IMAGE, UUID
from tools import chrooted

pytestmark = pytest.mark.every_python

MOST_BYTES = 24 << 20  # of any Python; docs/performance.md has the figure of one
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
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Installed]:
    root = tmp_path_factory.mktemp("initramfs")
    # As dracut and mkinitramfs leave it on a system whose /lib is a link, but for the link's being absolute.
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("/usr/lib")
    return root, install(root)


def test_it_is_bytecode_of_moderate_size_and_nothing_lies_outside(made: tuple[Path, Installed]) -> None:
    root, done = made
    assert done.nbytes <= MOST_BYTES
    assert not list(root.rglob("*.py"))
    links = [path for path in root.rglob("*") if path.is_symlink() and path != root / "lib"]
    assert all(path.resolve().is_relative_to(root) for path in links)
    assert done.tried == (os.geteuid() == 0)


@pytest.fixture(scope="module")
def run_there(made: tuple[Path, Installed]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program below the root, where /disk.img is an image and /volume-key its key."""
    root, _ = made
    (root / "disk.img").write_bytes(lzma.decompress(IMAGE.read_bytes()))
    with open_luks(root / "disk.img") as luks, luks.unlock(b"correct horse battery staple") as opened:
        (root / "volume-key").write_bytes(bytes(memoryview(opened.volume_key)))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*chrooted(root), PROGRAM, *words],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.defpath + ":/usr/sbin"},
        )

    return run


def test_it_checks_a_volume_key_there_with_nothing_else_around(
    run_there: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for key, code in (("/volume-key", 0), ("/disk.img", 2)):
        done = run_there("test", "/disk.img", "--volume-key-file", key)
        assert done.returncode == code, done.stderr


def test_it_saves_a_file_there(
    made: tuple[Path, Installed], run_there: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    root, _ = made
    content = os.urandom(512 * 5 + 7)
    (root / "vmcore").write_bytes(content)
    done = run_there("save", "/disk.img", "/vmcore", "--volume-key-file", "/volume-key")
    assert done.returncode == 0, done.stderr
    with (
        open_luks(root / "disk.img") as luks,
        luks.unlock(b"correct horse battery staple") as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        read = bytearray(len(content) + 1)
        volume.read_into(read, 0)
    assert read[:-1] == content


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("restore",), 1, "there is no /sys/kernel/config/crash_dm_crypt_keys"),
        (("open", "/disk.img", "dump", "--volume-key-file", "/volume-key"), 1, "device-mapper"),
        (("test", "/disk.img"), 1, "there is no /sys/kernel/config/crash_dm_crypt_keys"),
        (("test", "/volume-key"), 1, "not a valid LUKS device"),
        (("test", "/none"), 4, "does not exist"),
        (("test",), 1, "requires <device>"),
    ],
)
def test_what_cannot_be_done_there_is_said_in_words(
    run_there: Callable[..., subprocess.CompletedProcess[str]], words: tuple[str, ...], code: int, said: str
) -> None:
    done = run_there(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr


def test_openssl_goes_along_only_where_a_device_needs_it_or_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "_BY_UUID", tmp_path)
    (tmp_path / UUID).write_bytes(lzma.decompress(IMAGE.read_bytes()))
    devices = tmp_path / "etc/kdumpkey/devices"
    devices.parent.mkdir(parents=True)
    assert installing._wants_openssl(tmp_path / "none") is False
    devices.write_text(f"# The devices.\n\n{UUID} root\n")
    assert installing._wants_openssl(tmp_path) is False
    devices.write_text(f"{UUID} root\nanother-that-is-not-there data\n")
    assert installing._wants_openssl(tmp_path) is True
    monkeypatch.setattr(installing.hashes, "in_engine", lambda name: name != "sha256")
    devices.write_text(f"{UUID} root\n")
    assert installing._wants_openssl(tmp_path) is True


def test_openssl_is_there_where_it_is_wanted_and_nothing_of_it_elsewhere() -> None:
    without = {name for name, _ in runtime_modules(openssl=False)}
    added = {name for name, _ in runtime_modules(openssl=True)} - without
    assert {"_hashlib", "kdumpkey.crypto.openssl"} <= added
    assert not {"_hashlib", "_ssl", "kdumpkey.crypto.openssl", "cryptography", "typer", "argon2"} & without


def test_every_module_that_it_may_import_can_be_imported_there_alone(made: tuple[Path, Installed]) -> None:
    root, _ = made
    names = sorted({name for name, _ in runtime_modules(openssl=False)} - {"__main__"})
    assert {"collections.abc", "os.path", "kdumpkey.capture.commands", "kdumpkey.volume.save"} <= set(names)
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


def test_a_second_run_leaves_all_as_it_is(made: tuple[Path, Installed]) -> None:
    root, first = made
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert install(root).files < first.files / 10
    del before[root / str(PROGRAM)[1:]]
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
