"""kdumpkey-capture: what it does, in the words and with the codes of kdumpkey, and with far fewer modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from both import ENVIRONMENT, NO_TERMINAL, Result, ours
from kdumpkey import __version__
from kdumpkey.capture.arguments import Arguments, parse_arguments
from kdumpkey.capture.main import HELP, main
from kdumpkey.errors import KeyAccessError, KeyNotFoundError, UsageError
from kdumpkey.host.configfs import DIRECTORY
from kdumpkey.kernel.linux.kernel import LinuxKernel
from kdumpkey.luks.device import open_luks
from kdumpkey.mapping import dmsetup
from kdumpkey.mapping.dmsetup import DeviceMapper, Info
from kdumpkey.outcome import OptionError
from kdumpkey.secret import SecretBuffer
from kdumpkey.streams import Streams
from tools import unmeasured

USAGE = "Usage: kdumpkey-capture [OPTION...] <action> <action-specific>\n"
_PROGRAM = """
import sys
from kdumpkey.capture import entry_point
try:
    entry_point()
finally:
    print("modules", *sys.modules, file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


class Handed:
    """A kdump kernel, by its files, and root's user keyring after a restore."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keys: dict[str, bytes | Exception] = {}
        self.restore = root / DIRECTORY / "restore"
        self.restore.parent.mkdir(parents=True)
        self.restore.write_text("0")

    def search(self, _keyring: int, key_type: str, description: str) -> str:
        assert key_type == "user"
        if description not in self.keys or self.restore.read_text() != "1":
            raise KeyNotFoundError("there is none")
        return description

    def read(self, description: str) -> SecretBuffer:
        found = self.keys[description]
        if isinstance(found, Exception):
            raise found
        return SecretBuffer.copy_of(found)


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Handed:
    made = Handed(tmp_path / "root")
    monkeypatch.setattr("kdumpkey.luks.restored_key.search_keyring", made.search)
    monkeypatch.setattr("kdumpkey.luks.restored_key.read_key", made.read)
    # kdumpkey finds the same kernel, and the same keyring.
    monkeypatch.setattr("kdumpkey.kernel.linux.load_keys.find_key", partial(made.search, 0))
    monkeypatch.setattr("kdumpkey.kernel.linux.load_keys.read_key", made.read)
    monkeypatch.setattr("kdumpkey.kernel.linux.load_keys.link_key", lambda *_: None)
    monkeypatch.setattr("kdumpkey.kernel.linux.kernel.LinuxKernel", partial(LinuxKernel, made.root))
    return made


class Mappings(DeviceMapper):
    """Device-mapper that takes whatever it is given, by mapping's name."""

    def __init__(self) -> None:
        super().__init__("/nonexistent/dmsetup")
        self.made: dict[str, tuple[str, str, bool]] = {}

    def create(self, name: str, uuid: str, table: str, *, readonly: bool = False) -> None:
        self.made[name] = uuid, table, readonly

    def info(self, name: str) -> Info | None:
        return Info("", 0, True, False, False, "253:0") if name in self.made else None


@pytest.fixture
def mappings(monkeypatch: pytest.MonkeyPatch) -> Mappings:
    @contextmanager
    def block_device(*_: object, **__: object) -> Iterator[int]:
        yield 0

    for name, value in {
        "_block_device": block_device,
        "device_number": lambda _: "8:1",
        "is_readonly": lambda _: False,
        "join_session": lambda: None,
        "add_key": lambda *_: 1,
        "invalidate_key": lambda _: None,
    }.items():
        monkeypatch.setattr(f"kdumpkey.luks.activation.{name}", value)
    made = Mappings()
    monkeypatch.setattr(DeviceMapper, "find", lambda *_: made)
    return made


def _capture(*words: str | Path, root: Path = Path("/nonexistent")) -> Result:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = Streams(0, out.fileno(), err.fileno(), NO_TERMINAL, ENVIRONMENT)
        code = main([os.fspath(word) for word in words], streams, root)
        out.seek(0)
        err.seek(0)
        return Result(code, out.read().decode(), err.read().decode())


def _own_name(image: str) -> str:
    with open_luks(image) as luks:
        return f"kdump-cryptsetup:vk-{luks.header.uuid}"


@pytest.mark.parametrize("image", ["luks1.img", "luks2.img"])
def test_the_key_handed_over_opens_what_kdumpkey_opens(handed: Handed, image: str) -> None:
    handed.keys[_own_name(image)] = Path(f"{image}.vk").read_bytes()
    assert _capture("test", image, root=handed.root) == Result(0, "", "")
    assert handed.restore.read_text() == "1"
    assert ours(["unlock", image, "--from-kdump"]) == Result(0, "", "")


def test_a_key_of_another_name_is_taken_where_it_is_named(handed: Handed) -> None:
    handed.keys["mine:key"] = Path("luks2.img.vk").read_bytes()
    assert _capture("test", "luks2.img", root=handed.root).code == 2
    done = _capture("test", "luks2.img", "--key-description", "mine:key", "-v", root=handed.root)
    assert done == Result(0, "The volume key of luks2.img is mine:key.\n", "")


@pytest.mark.parametrize("found", [b"\0" * 64, b"", KeyAccessError("not yours"), None])
def test_a_key_that_is_missing_or_wrong_is_told_as_kdumpkey_tells_it(
    handed: Handed, found: bytes | Exception | None
) -> None:
    if found is not None:
        handed.keys[_own_name("luks2.img")] = found
    done = _capture("test", "luks2.img", root=handed.root)
    assert done.code == 2
    assert done.err
    assert done == ours(["unlock", "luks2.img", "--from-kdump"])


@pytest.mark.parametrize("device", ["/nonexistent", "pass", "/", "UUID=none"])
def test_a_device_that_is_none_is_told_as_kdumpkey_tells_it(handed: Handed, device: str) -> None:
    done = _capture("test", device, root=handed.root)
    assert done.code in (1, 4)
    assert done == ours(["unlock", device, "--from-kdump"])
    assert handed.restore.read_text() == "0"


def test_the_volume_key_may_come_from_a_file_and_the_header_from_another(tmp_path: Path) -> None:
    header = tmp_path / "header"
    shutil.copy("luks2.img", header)
    words = ["luks2.img", "--header", str(header), "--volume-key-file"]
    assert _capture("test", *words, "luks2.img.vk") == Result(0, "", "")
    for wrong in ("luks1.img.vk", "pass", "/nonexistent"):
        done = _capture("test", *words, wrong)
        assert done.code
        assert done == ours(["unlock", *words, wrong])


def test_a_header_without_keyslots_needs_the_key_size_said(tmp_path: Path, cryptsetup: str) -> None:
    image = tmp_path / "bare.img"
    shutil.copy("luks2.img", image)
    for slot in ("0", "1", "3"):
        command = [cryptsetup, "-q", "luksKillSlot", str(image), slot]
        subprocess.run(command, check=True, capture_output=True)
    words = [str(image), "--volume-key-file", "luks2.img.vk"]
    unsaid = _capture("test", *words)
    assert (unsaid.code, "--key-size" in unsaid.err) == (1, True)
    assert unsaid == ours(["unlock", *words])
    assert _capture("test", *words, "--key-size", "512") == Result(0, "", "")


def test_a_dump_is_saved_as_kdump_save_saves_it(handed: Handed, tmp_path: Path) -> None:
    handed.keys[_own_name("luks2.img")] = key = Path("luks2.img.vk").read_bytes()
    dump = tmp_path / "vmcore"
    dump.write_bytes(os.urandom(100_000))
    mine, theirs = tmp_path / "disk.img", tmp_path / "same" / "disk.img"
    theirs.parent.mkdir()
    for each in (mine, theirs):
        shutil.copy("luks2.img", each)
    done = _capture("save", mine, dump, root=handed.root)
    assert done == Result(0, f"100000 bytes of {dump} are encrypted in {mine}.\n", "")
    other = ours(["kdump", "save", theirs, dump])
    assert other == Result(0, done.out.replace(str(mine), str(theirs)), "")
    assert mine.read_bytes() == theirs.read_bytes()
    with open_luks(mine) as luks, luks.volume(key) as volume:
        back = bytearray(100_352)
        volume.read_into(back, 0)
    assert back[:100_000] == dump.read_bytes()


@pytest.mark.parametrize("device", ["/nonexistent", "pass"])
def test_a_dump_that_cannot_be_saved_is_told_as_kdump_save_tells_it(handed: Handed, device: str) -> None:
    done = _capture("save", device, "pass", root=handed.root)
    assert done.code
    assert done == ours(["kdump", "save", device, "pass"])


@pytest.mark.parametrize("readonly", [True, False])
def test_a_volume_is_mapped_as_kdumpkey_maps_it(handed: Handed, mappings: Mappings, readonly: bool) -> None:
    handed.keys[_own_name("luks2.img")] = Path("luks2.img.vk").read_bytes()
    options = ["--readonly"] if readonly else []
    assert _capture("open", "luks2.img", "mine", *options, root=handed.root) == Result(0, "", "")
    assert ours(["unlock", "luks2.img", "--map", "other", "--from-kdump", *options]) == Result(0, "", "")
    uuid, table, mode = mappings.made["mine"]
    assert (uuid[-5:], mode) == ("-mine", readonly)
    assert mappings.made["other"] == (f"{uuid[:-4]}other", table, readonly)
    again = _capture("open", "luks2.img", "mine", root=handed.root)
    assert again == Result(5, "", "Device mine already exists.\n")


def test_without_device_mapper_no_key_is_restored(handed: Handed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmsetup, "_kernel_has_it", lambda: False)
    done = _capture("open", "luks2.img", "data", root=handed.root)
    assert done == ours(["unlock", "luks2.img", "--map", "data", "--from-kdump"])
    assert (done.code, handed.restore.read_text()) == (1, "0")


def test_restore_writes_to_the_kernel_and_says_where_there_is_nothing_to_restore(
    handed: Handed, tmp_path: Path
) -> None:
    assert _capture("restore", root=handed.root) == Result(0, "", "")
    assert handed.restore.read_text() == "1"
    first = tmp_path / "first"
    (first / DIRECTORY).mkdir(parents=True)
    refused = _capture("restore", root=first)
    assert refused == Result(2, "", "EPERM: this is not the kdump kernel\n")
    absent = _capture("restore", root=tmp_path / "none")
    assert (absent.code, absent.err.partition(":")[0]) == (1, "ENOENT")
    assert _capture("test", "luks2.img", root=first) == refused


def test_options_stand_anywhere_and_take_their_value_either_way() -> None:
    wanted = Arguments("open", ("disk", "-name"), "head", key_description="k", readonly=True, verbose=True)
    for words in (
        ["--header", "head", "open", "-r", "disk", "-v", "--key-description=k", "--", "-name"],
        ["open", "disk", "--header=head", "--key-description", "k", "--readonly", "--verbose", "--", "-name"],
    ):
        assert parse_arguments(words) == wanted
    assert parse_arguments(["test", "-", "--volume-key-file=", "-s", "256"]).key_size_bits == 256


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "kdumpkey-capture: Argument <action> missing."),
        (["unlock", "x"], "kdumpkey-capture: Unknown action."),
        (["open", "x"], "kdumpkey-capture: open: requires <device> <name> as arguments"),
        (["save", "x"], "kdumpkey-capture: save: requires <device> <file> as arguments"),
        (["test"], "kdumpkey-capture: test: requires <device> as arguments"),
        (["test", "x", "y"], "kdumpkey-capture: test takes no 'y'."),
        (["restore", "x"], "kdumpkey-capture: restore takes no 'x'."),
        (["test", "x", "--passphrase"], "--passphrase: unknown option"),
        (["test", "x", "--hea", "y"], "--hea: unknown option"),
        (["test", "x", "--header"], "--header: missing argument"),
        (["test", "x", "--verbose=1"], "--verbose=1: option does not take an argument"),
        (["test", "x", "-rv"], "-rv: unknown option"),
        (["test", "x", "-r"], "kdumpkey-capture: Option --readonly is not allowed with test action."),
        (["restore", "--header=x"], "kdumpkey-capture: Option --header is not allowed with restore action."),
        (["test", "x", "-s", "256"], "kdumpkey-capture: Option --key-size needs --volume-key-file."),
        (
            ["test", "x", "--volume-key-file=a", "--key-description=b"],
            "kdumpkey-capture: Options --volume-key-file and --key-description are mutually exclusive.",
        ),
        *(
            (["test", "x", "--volume-key-file=a", "-s", bits], "kdumpkey-capture: invalid numeric value")
            for bits in ("", "x", "-8", "0", "٨", "9" * 5000, "4104")
        ),
        (
            ["test", "x", "--volume-key-file=a", "-s", "7"],
            "kdumpkey-capture: Key size must be a multiple of 8 bits",
        ),
    ],
)
def test_a_command_line_that_is_wrong_ends_with_1_and_a_line_of_usage(words: list[str], said: str) -> None:
    assert _capture(*words) == Result(1, "", f"{USAGE}{said}\n")
    with pytest.raises(UsageError) as refused:
        parse_arguments(words)
    assert isinstance(refused.value, OptionError) == (not said.startswith("kdumpkey-capture"))


def test_help_and_version_are_shown_whatever_else_is_there() -> None:
    for words in (["--help"], ["open", "-?"], ["frob", "--help", "--version"]):
        assert _capture(*words) == Result(0, HELP, "")
    assert _capture("--version") == Result(0, f"kdumpkey-capture {__version__}\n", "")
    assert max(len(line) for line in HELP.splitlines()) <= 100


def test_it_runs_as_a_module_and_as_a_console_script(folder: Path) -> None:
    words = ["test", folder / "luks2.img", "--volume-key-file", folder / "luks2.img.vk"]
    for program in (
        [sys.executable, "-m", "kdumpkey.capture"],
        [Path(sys.executable).with_name("kdumpkey-capture")],
    ):
        done = subprocess.run([*program, *words], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_checking_a_volume_key_imports_no_framework_and_no_cryptography_of_others(folder: Path) -> None:
    words = ["test", str(folder / "luks2.img"), "--volume-key-file", str(folder / "luks2.img.vk")]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    modules = set(done.stderr.splitlines()[-1].split()[1:])
    never = {"typer", "click", "rich", "cryptography", "argon2", "_argon2_cffi_bindings", "_cffi_backend"}
    never |= {"argparse", "ctypes", "gettext", "logging", "shutil", "socket", "ssl", "subprocess", "tempfile"}
    never |= {
        f"kdumpkey.{name}" for name in ("cli", "kdump", "mock", "kernel", "mapping", "region", "volume")
    }
    never |= {"dataclasses", "inspect", "pathlib", "hashlib", "_hashlib", "kdumpkey.luks.unlock"}
    never |= {"kdumpkey.keyring", "kdumpkey.host", "kdumpkey.formats", "kdumpkey.luks.store"}
    assert "kdumpkey.luks.volume_key" in modules
    assert modules.isdisjoint(never), sorted(modules & never)
