"""Whether a key in the crash image is still its device's: after erasing, formatting, and a changed key."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from both import ours
from kdumpkey.kdump.freshness import KeyState, key_now, keys_now, origin_of
from kdumpkey.kernel.record import KeyOrigin, LoadRecord, parse_record
from kdumpkey.luks.device import open_luks
from tools import require_tool

UUID = "0f4f4f9d-7f0e-4d39-9d3d-3c0f9a4f5b11"
CHEAP = ("-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")


def _format(path: Path, uuid: str = UUID, kind: str = "luks2") -> None:
    words = ["luksFormat", *CHEAP, "--type", kind, "--uuid", uuid, path]
    assert ours(words, b"pass").code == 0


def _device(root: Path, name: str = "dev/vda", size: int = 20 << 20) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return path


def _origin(root: Path, path: Path) -> KeyOrigin:
    with open_luks(path) as luks, luks.unlock(b"pass") as opened:
        return replace(
            origin_of(luks, opened.volume_key, "k:a", str(path)), device=f"/{path.relative_to(root)}"
        )


@pytest.fixture(params=["luks1", "luks2"])
def armed(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path, KeyOrigin]:
    path = _device(tmp_path)
    _format(path, kind=request.param)
    return tmp_path, path, _origin(tmp_path, path)


def test_a_key_is_current_while_nothing_changes_and_with_another_passphrase(
    armed: tuple[Path, Path, KeyOrigin], tmp_path: Path
) -> None:
    root, path, origin = armed
    assert key_now(root, origin).state is KeyState.CURRENT
    assert ours(["luksAddKey", *CHEAP, path], b"pass\nother").code == 0
    key_file = tmp_path / "pass"
    key_file.write_bytes(b"pass")
    assert ours(["luksRemoveKey", "-q", path, key_file]).code == 0
    assert key_now(root, origin).state is KeyState.CURRENT


def test_after_luks_erase_it_is_stale(armed: tuple[Path, Path, KeyOrigin]) -> None:
    root, path, origin = armed
    assert ours(["luksErase", "-q", path]).code == 0
    found = key_now(root, origin)
    assert found.state is KeyState.STALE
    assert "erased" in found.reason


def test_after_a_format_it_is_stale_also_under_the_same_uuid(armed: tuple[Path, Path, KeyOrigin]) -> None:
    root, path, origin = armed
    _format(path)
    assert "another volume key" in key_now(root, origin).reason
    _format(path, "11111111-7f0e-4d39-9d3d-3c0f9a4f5b11")
    found = key_now(root, origin)
    assert (found.state, "reformatted" in found.reason) == (KeyState.STALE, True)


def test_a_device_that_is_no_luks_device_any_more_is_stale(armed: tuple[Path, Path, KeyOrigin]) -> None:
    root, path, origin = armed
    path.write_bytes(bytes(20 << 20))
    assert key_now(root, origin).state is KeyState.STALE


def test_a_device_that_moved_is_found_by_its_uuid_and_one_that_is_gone_is_unknown(
    armed: tuple[Path, Path, KeyOrigin],
) -> None:
    root, path, origin = armed
    path.rename(root / "dev/vdb")
    assert key_now(root, origin).state is KeyState.UNKNOWN
    links = root / "dev/disk/by-uuid"
    links.mkdir(parents=True)
    (links / UUID).symlink_to("../../vdb")
    assert key_now(root, origin).state is KeyState.CURRENT
    _format(_device(root), "11111111-7f0e-4d39-9d3d-3c0f9a4f5b11")
    assert key_now(root, origin).state is KeyState.CURRENT


def test_an_unfinished_reencryption_makes_it_stale(tmp_path: Path) -> None:
    path = _device(tmp_path, size=32 << 20)
    _format(path)
    origin = _origin(tmp_path, path)
    command = [require_tool("cryptsetup"), "reencrypt", "--init-only", "-q", *CHEAP[1:], "--key-file", "-"]
    subprocess.run([*command, path], input=b"pass", check=True, capture_output=True)
    found = key_now(tmp_path, origin)
    assert (found.state, "demands" in found.reason) == (KeyState.STALE, True)


def test_a_conversion_leaves_it_current(tmp_path: Path) -> None:
    path = _device(tmp_path)
    _format(path, kind="luks1")
    origin = _origin(tmp_path, path)
    assert ours(["convert", "-q", "--type", "luks2", path]).code == 0
    assert key_now(tmp_path, origin).state is KeyState.CURRENT


def test_a_record_says_it_of_each_of_its_keys_and_reads_as_it_was_written(
    armed: tuple[Path, Path, KeyOrigin],
) -> None:
    root, _, origin = armed
    record = LoadRecord("boot", 1.0, ("k:a", "k:b"), (origin,))
    assert parse_record(record.to_text()) == record
    assert [each.state for each in keys_now(root, record)] == [KeyState.CURRENT, KeyState.UNKNOWN]
