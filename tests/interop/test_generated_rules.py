"""What is generated for udev, systemd and shells is sound to their own checkers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import roots
from kdumpkey.kdump.generate.apply import Applied, apply
from kdumpkey.kdump.generate.generate import generate
from newer_release import UnavailableError, unpacked
from tools import require_tool, unavailable


def _applied(piece: str, root: Path) -> list[Applied]:
    roots.build(root, {"dev/mapper/root": "", **roots.fedora()})
    return apply(root, generate(piece, root))


def _newer(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of a systemd that has `udevadm verify`, by its own loader and libraries."""
    try:
        root = unpacked("udev", "udev", "systemd") / "root"
    except UnavailableError as error:
        unavailable(str(error))
    loader = next(root.glob("usr/lib*/ld-linux*.so.*"))
    folder = next(root.glob("usr/lib/*/libc.so.6")).parent
    libraries = ["--library-path", f"{folder}:{folder}/systemd"]
    return subprocess.run(
        [loader, *libraries, root / "usr/bin" / program, *words], capture_output=True, text=True, check=False
    )


def test_udevadm_verifies_the_rules_and_not_others(tmp_path: Path) -> None:
    rules = [done.path for done in _applied("udev", tmp_path)]
    done = _newer("udevadm", "verify", *rules)
    assert done.returncode == 0, done.stderr
    rules[0].write_text('SUBSYSTEM="x"\n')
    assert _newer("udevadm", "verify", *rules).returncode != 0


def test_systemd_verifies_the_service(tmp_path: Path) -> None:
    service = next(done.path for done in _applied("systemd", tmp_path) if done.path.suffix == ".service")
    done = _newer("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", service)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("piece", ["dracut", "initramfs-tools"])
def test_shellcheck_finds_the_scripts_sound_as_they_are_written(piece: str, tmp_path: Path) -> None:
    scripts = [done.path for done in _applied(piece, tmp_path) if done.path.read_text().startswith("#!")]
    assert scripts
    done = subprocess.run([require_tool("shellcheck"), *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
