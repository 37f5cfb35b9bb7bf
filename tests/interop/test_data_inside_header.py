"""A header given in the place of its data: nothing is read or written, by whatever name it is given."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kdumpkey
from both import Result, ours, run
from kdumpkey.errors import OverlapError
from kdumpkey.luks.activation import target_of
from kdumpkey.storage.device import open_readonly
from loops import loop_over
from noise import noise
from tools import require_tool, unavailable

MIB = 1 << 20
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-size", "256"]
REFUSED = Result(1, "", "Device header overlaps with data area.\n")
KINDS = ("luks1", "luks2")


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Detached headers that ``pass`` opens, made by cryptsetup; their data begin at byte 0."""
    folder, made = tmp_path_factory.mktemp("headers"), {}
    (folder / "key").write_text("pass")
    (folder / "data").write_bytes(bytes(MIB))
    for kind in KINDS:
        header = folder / kind
        words = ["luksFormat", "-q", "--type", kind, *CHEAP, "--header", header, folder / "data"]
        assert run([require_tool("cryptsetup"), *words, folder / "key"]).code == 0
        os.truncate(header, max(header.stat().st_size, 17 * MIB))
        made[kind] = header.read_bytes()
    return made


@pytest.fixture(params=KINDS)
def header(request: pytest.FixtureRequest, headers: dict[str, bytes], tmp_path: Path) -> Path:
    """A detached header in a folder that also has a key file and something to encrypt."""
    (tmp_path / "key").write_text("pass")
    (tmp_path / "plain").write_bytes(noise(4096))
    path = tmp_path / "h"
    path.write_bytes(headers[request.param])
    return path


@contextmanager
def bound(path: Path) -> Iterator[Path]:
    """The folder of a file mounted a second time."""
    folder = path.parent.parent / f"{path.parent.name}-bound"
    folder.mkdir()
    mount = require_tool("mount")
    if subprocess.run([mount, "--bind", path.parent, folder], capture_output=True, check=False).returncode:
        unavailable("nothing may be mounted here")
    try:
        yield folder / path.name
    finally:
        subprocess.run([require_tool("umount"), folder], check=True)


@contextmanager
def hard_link(path: Path) -> Iterator[Path]:
    os.link(path, path.with_name("hard"))
    yield path.with_name("hard")


@contextmanager
def symbolic_link(path: Path) -> Iterator[Path]:
    path.with_name("soft").symlink_to(path)
    yield path.with_name("soft")


@contextmanager
def itself(path: Path) -> Iterator[Path]:
    yield path


NAMES = {
    "the path itself": itself,
    "a hard link": hard_link,
    "a symbolic link": symbolic_link,
    "a loop device": loop_over,
    "a bind mount": bound,
}


def everything_that_touches_data(device: Path, more: list[str | Path], folder: Path) -> list[Result]:
    key = ["-d", folder / "key"]
    return [
        ours(["encrypt", "-q", folder / "plain", device, *key, *more]),
        ours(["unlock", device, "--to", folder / "out", *key, *more]),
        ours(["unlock", device, "--to", "-", *key, *more]),
        ours(["unlock", device, "--map", "kdumpkey-test", *key, *more]),
        ours(["open", device, "kdumpkey-test", *key, *more]),
        *([] if more else [ours(["kdump", "save", device, folder / "plain"])]),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_data_inside_their_own_header_are_refused_by_whatever_name(header: Path, name: str) -> None:
    before = header.read_bytes()
    with NAMES[name](header) as other:
        for device, more in (
            (other, []),
            (other, ["--header", header]),
            (header, ["--header", other]),
            (other, ["--header", other]),
        ):
            results = everything_that_touches_data(device, more, header.parent)
            assert results == [REFUSED] * len(results), (device, more)
    assert header.read_bytes() == before
    assert not (header.parent / "out").exists()


def test_a_bare_header_is_still_shown_and_its_passphrase_tested(header: Path) -> None:
    for words in (
        ["isLuks", header],
        ["luksDump", header],
        ["luksUUID", header],
        ["open", "--test-passphrase", header, "-d", header.parent / "key"],
        ["luksDump", "-q", "--dump-volume-key", header, "-d", header.parent / "key"],
    ):
        assert ours(words).code == 0, words


def test_python_is_refused_too(header: Path) -> None:
    before = header.read_bytes()
    with kdumpkey.open_luks(header) as luks, luks.unlock(b"pass") as opened:
        with pytest.raises(OverlapError, match=r"Device header overlaps with data area\."):
            luks.volume(opened.volume_key)
        with pytest.raises(OverlapError):
            target_of(luks, opened.volume_key)
    with pytest.raises(OverlapError):
        kdumpkey.open_luks(header, writable=True)
    assert header.read_bytes() == before


def test_a_detached_header_with_a_device_of_its_own_works(header: Path) -> None:
    folder, data = header.parent, header.parent / "data"
    data.write_bytes(bytes(MIB))
    key = ["--header", header, "-d", folder / "key"]
    assert ours(["encrypt", "-q", folder / "plain", data, *key]).code == 0
    assert ours(["unlock", data, "--to", folder / "out", "--length", "4096", *key]).code == 0
    assert (folder / "out").read_bytes() == (folder / "plain").read_bytes()
    with loop_over(data) as loop:
        assert ours(["unlock", loop, "--to", folder / "loop", "--length", "4096", *key]).code == 0


def test_what_begins_before_the_header_and_runs_into_it_is_refused(tmp_path: Path, header: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(4 * MIB) + header.read_bytes())
    losetup = require_tool("losetup")
    made = subprocess.run(
        [losetup, "--find", "--show", "--offset", str(4 * MIB), disk],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        unavailable(f"no loop device can be had: {made.stderr}")
    loop = made.stdout.strip()
    try:
        words = ["unlock", disk, "--header", loop, "--to", tmp_path / "out", "-d", tmp_path / "key"]
        assert ours(words) == REFUSED
        with open_readonly(loop) as device:
            assert device.is_block
    finally:
        subprocess.run([losetup, "--detach", loop], check=True)


def test_an_attached_header_that_is_also_named_as_detached_works(tmp_path: Path) -> None:
    disk, key = tmp_path / "disk", tmp_path / "key"
    key.write_text("pass")
    disk.write_bytes(bytes(3 * MIB))
    assert ours(["luksFormat", "-q", "--type", "luks1", *CHEAP, disk, key]).code == 0
    for more in ([], ["--header", disk]):
        out = tmp_path / f"out{len(more)}"
        assert ours(["unlock", disk, *more, "--to", out, "-d", key]).code == 0
        assert out.stat().st_size == MIB
