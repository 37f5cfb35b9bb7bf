"""kdump generate and kdump install through `main`: what they print, and what they change."""

from __future__ import annotations

from pathlib import Path

import pytest

import roots
from both import Result, ours
from kdumpkey.kdump.install import Installed
from roots import LINK, UUID

BEFORE = f"root UUID={UUID} none luks\n"
AFTER = f"root UUID={UUID} none luks,{LINK}\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    return roots.build(tmp_path, {"dev/mapper/root": "", **roots.fedora(), "etc/crypttab": BEFORE})


def test_a_piece_is_shown_as_a_diff_and_nothing_is_changed(machine: Path) -> None:
    done = ours(["kdump", "generate", "crypttab", "--root", machine])
    assert (done.code, done.err) == (0, "")
    assert f"-{BEFORE}" in done.out
    assert f"+{AFTER}" in done.out
    assert (machine / "etc/crypttab").read_text() == BEFORE


def test_with_apply_the_file_is_changed_and_the_old_one_kept(machine: Path) -> None:
    done = ours(["kdump", "generate", "crypttab", "--root", machine, "--apply"])
    assert done.code == 0
    assert (machine / "etc/crypttab").read_text() == AFTER
    kept = machine / "etc/crypttab.before-kdumpkey"
    assert kept.read_text() == BEFORE
    assert done.err == f"{machine / 'etc/crypttab'} is changed; as it was: {kept}.\n"


def test_what_is_right_already_is_said_under_v_alone(machine: Path) -> None:
    words = ["kdump", "generate", "crypttab", "--root", machine]
    assert ours([*words, "--apply"]).code == 0
    assert ours(words) == Result(0, "", "")
    told = ours([*words, "-v"])
    assert f"{machine / 'etc/crypttab'} is as it should be." in told.out + told.err


def test_a_piece_that_there_is_not_is_refused_with_those_there_are() -> None:
    done = ours(["kdump", "generate", "grub"])
    assert (done.code, done.out) == (1, "")
    assert "crypttab" in done.err


@pytest.mark.parametrize("tried", [True, False])
def test_install_says_how_much_it_put_there_and_whether_that_was_tried(
    tried: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Installed(files=300, nbytes=17_400_000, tried=tried)
    monkeypatch.setattr("kdumpkey.cli.commands.install.put", lambda _: made)
    warning = f"WARNING: only root may run what is below {tmp_path}: it was not tried.\n"
    assert ours(["kdump", "install", tmp_path]) == Result(0, "", "" if tried else warning)
    told = ours(["kdump", "install", tmp_path, "-v"])
    assert f"300 files of 17 MB below {tmp_path}." in told.out + told.err


def test_install_into_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    done = ours(["kdump", "install", tmp_path / "absent"])
    assert (done.code, done.out) == (1, "")
    assert str(tmp_path / "absent") in done.err
