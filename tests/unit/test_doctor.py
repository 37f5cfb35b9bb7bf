"""The doctor against prepared root trees: sound ones of each layout, and one for each way to be broken.

tests/golden/doctor.txt has what it says of each. To change it: KDUMPKEY_WRITE_GOLDEN=1, then git diff.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

import roots
from doctor_trees import TREES
from kdumpkey.errors import UsageError
from kdumpkey.host.host import Host
from kdumpkey.kdump.doctor import Finding, Verdict, exit_code
from kdumpkey.kdump.doctor.examine import examine
from roots import LOADED_AT, Tree

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "doctor.txt"


@pytest.fixture(autouse=True)
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said must not depend on which tools this machine has."""
    monkeypatch.setenv("PATH", "")


def _examined(root: Path, tree: Tree) -> list[Finding]:
    return examine(roots.build(root, tree), now=lambda: LOADED_AT)


def _shown(finding: Finding) -> str:
    about = f"{finding.device}: " if finding.device else ""
    fix = f" | {finding.fix}" if finding.fix else ""
    return f"  {finding.verdict.value} {finding.check}: {about}{finding.what}{fix}"


def _summary(root: Path, found: list[Finding]) -> tuple[int, list[str]]:
    good = " ".join(finding.check for finding in found if finding.verdict is Verdict.GOOD)
    rest = [_shown(finding) for finding in found if finding.verdict is not Verdict.GOOD]
    return exit_code(found), [line.replace(str(root), "") for line in (f"  good {good}", *rest)]


def _golden() -> dict[str, str]:
    sections = GOLDEN.read_text().split("== ")[1:] if GOLDEN.exists() else []
    return {section.partition("\n")[0]: section.partition("\n")[2].rstrip("\n") for section in sections}


@pytest.mark.parametrize("name", TREES)
def test_each_tree_gets_its_verdict_and_its_findings(name: str, tmp_path: Path) -> None:
    tree, expected = TREES[name]
    code, lines = _summary(tmp_path, _examined(tmp_path, tree))
    if os.environ.get("KDUMPKEY_WRITE_GOLDEN") == "1":
        golden = _golden() | {name: "\n".join(lines)}
        text = "\n".join(f"== {each}\n{golden[each]}\n" for each in TREES if each in golden)
        GOLDEN.write_text(text)
    assert (code, "\n".join(lines)) == (expected, _golden()[name])


def test_what_is_broken_comes_with_a_fix(tmp_path: Path) -> None:
    for number, (tree, _) in enumerate(TREES.values()):
        for finding in _examined(tmp_path / str(number), tree):
            assert finding.why
            assert bool(finding.fix) == (finding.verdict is not Verdict.GOOD), finding


def test_nothing_is_written(tmp_path: Path) -> None:
    roots.build(tmp_path, roots.fedora())
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*") if path.exists()
    }
    examine(tmp_path)
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*") if path.exists()
    } == before


def test_a_root_that_is_no_directory_and_a_kdump_kernel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a directory"):
        examine(tmp_path / "absent")
    roots.build(tmp_path, {"proc/vmcore": ""})
    with pytest.raises(UsageError, match="kdump kernel"):
        examine(tmp_path)


def test_this_machines_own_kernel_says_its_boot_and_its_release() -> None:
    host = Host(Path("/"))
    if not Path("/proc/sys/kernel/random/boot_id").exists():
        pytest.skip("this machine has no /proc/sys")
    assert (
        host.word("proc/sys/kernel/random/boot_id")
        == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    )
    assert host.word("proc/sys/kernel/osrelease") == os.uname().release


@pytest.mark.parametrize(
    "spec",
    [
        f"UUID={roots.UUID}",
        f"UUID={roots.UUID.upper()}",
        f'UUID="{roots.UUID}"',
        "PARTUUID=0a-03",
        "PARTLABEL=root",
        'LABEL="my disk"'.replace(" ", "\\040"),
        "ID=virtio-1-part3",
        "/dev/vda3",
        f"/dev/disk/by-uuid/{roots.UUID}",
        "/dev/disk/by-id/virtio-1-part3",
        "/dev/alias",
    ],
)
def test_the_line_of_crypttab_is_found_by_each_name_of_the_device(spec: str, tmp_path: Path) -> None:
    links = ["by-partuuid/0a-03", "by-partlabel/root", "by-label/my\\x20disk", "by-id/virtio-1-part3"]
    links.append(f"by-uuid/{roots.UUID}")
    tree = roots.fedora() | {f"dev/disk/{link}": Path("../../vda3") for link in links}
    options = f"luks,discard,x=a\\,b,{roots.LINK}"
    lines = [
        "# root UUID=x none luks",
        "",
        "swap /dev/vda2 /dev/urandom swap",
        f" root\t{spec} - {options} # c",
    ]
    tree |= {"dev/alias": Path("vda3"), "etc/crypttab": "\n".join(lines)}
    found = [finding for finding in _examined(tmp_path, tree) if finding.check == "crypttab"]
    assert [finding.verdict for finding in found] == [Verdict.GOOD]


def test_a_line_of_another_device_is_not_taken_for_it(tmp_path: Path) -> None:
    for number, spec in enumerate(
        ("UUID=", "/dev/vda", "/dev/vda33", f"PARTUUID={roots.UUID}", "LABEL=root")
    ):
        tree = roots.fedora() | {"etc/crypttab": f"root {spec} - {roots.LINK}\n"}
        tree |= {f"dev/disk/by-{kind}/other": Path("../../vdb3") for kind in ("partuuid", "label")}
        found = [each for each in _examined(tmp_path / str(number), tree) if each.check == "crypttab"]
        assert [finding.verdict for finding in found] == [Verdict.WARNING], spec


def test_a_volume_on_two_encrypted_devices_stands_for_both(tmp_path: Path) -> None:
    tree = (
        roots.fedora()
        | roots.crypt(1, "second", "vdb3", roots.OTHER)
        | roots.logical(2, "vg-dumps", "dm-0", "dm-1")
    )
    found = examine(roots.build(tmp_path, tree), ["/dev/vg/dumps"], now=lambda: LOADED_AT)
    assert {finding.device for finding in found if finding.check == "header"} == {"/dev/vda3", "/dev/vdb3"}
    assert exit_code(found) == 1
