"""Several files are put in place together, or everything is as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdumpkey.errors import OutputError
from kdumpkey.kdump.generate.apply import BACKUP, Applied, apply
from kdumpkey.kdump.generate.change import Change


def _tree(root: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(root)): (
            path.read_text() if path.is_file() else "",
            path.stat().st_mode & 0o7777,
        )
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/old").write_text("was\n")
    (tmp_path / "etc/old").chmod(0o750)
    return tmp_path


CHANGES = [
    Change("etc/old", "was\n", "is\n"),
    Change("usr/lib/new/program", None, "#!/bin/sh\n", 0o755),
    Change("etc/same", None, ""),
]


def test_all_of_them_are_in_place_with_their_modes_and_the_old_one_is_kept(root: Path) -> None:
    done = apply(root, CHANGES)
    kept = root / f"etc/old{BACKUP}"
    assert done == [Applied(root / "etc/old", kept), Applied(root / "usr/lib/new/program", None)]
    tree = {name: entry for name, entry in _tree(root).items() if entry[0]}
    assert tree == {
        "etc/old": ("is\n", 0o750),
        # Hooks lie in directories whose programs are run: what is kept is no program.
        f"etc/old{BACKUP}": ("was\n", 0o640),
        "usr/lib/new/program": ("#!/bin/sh\n", 0o755),
    }


def test_links_of_another_machine_do_not_lead_to_this_ones_files(root: Path) -> None:
    outside = root / "outside"
    outside.mkdir()
    tree = root / "tree"
    (tree / "real").mkdir(parents=True)
    (tree / "real/old").write_text("was\n")
    (tree / "etc").symlink_to("/real")
    (tree / "usr").symlink_to(outside)
    with pytest.raises(OutputError):
        apply(tree, CHANGES[:2])
    assert (list(outside.iterdir()), (tree / "real/old").read_text()) == ([], "was\n")
    assert apply(tree, CHANGES[:1]) == [Applied(tree / "real/old", tree / f"real/old{BACKUP}")]
    assert (tree / "real/old").read_text() == "is\n"


@pytest.mark.parametrize(
    "last",
    [
        Change("etc/other", "it said this\n", "this\n"),  # it changed meanwhile
        Change("etc/old/below", None, "this\n"),  # a file where a directory should be
    ],
)
def test_what_cannot_be_written_leaves_everything_as_it_was(last: Change, root: Path) -> None:
    (root / "etc/other").write_text("it says that\n")
    before = _tree(root)
    with pytest.raises(OutputError):
        apply(root, [*CHANGES, last])
    assert _tree(root) == before


def test_a_file_that_cannot_take_its_name_gives_those_before_it_their_text_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _tree(root)
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name == "program":
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        apply(root, CHANGES)
    assert _tree(root) == before
