"""The transcripts and programs in README.md and docs/ are true: what needs no root is run and compared.

A fenced block `console` is run line by line in a shell of its page, at a terminal of 80 columns, in a folder
with an encrypted image, `disk.img`, and its `passphrase`. A comment before the block says what it needs:
`<!-- needs root -->` leaves it out, `<!-- machine: NAME -->` points kdump's commands at the files of a
prepared machine. A line `…` stands for any number of lines, `…` within a line for any text.
"""

from __future__ import annotations

import lzma
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

import roots
from tools import HANGS_AFTER_S

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PASSPHRASE = "correct horse battery staple"
PROMPT = "ready> "
ERASE = "\x1b[K"
NEEDS_ROOT = "needs root"
FENCE = re.compile(
    r"(?:^<!-- (?P<note>.*?) -->\n)?^```(?P<language>console|python)\n(?P<text>.*?)^```$", re.M | re.S
)
READS_THE_MACHINE = re.compile(r"kdumpkey kdump (doctor|estimate|generate)\b[^|&;]*")
_UNARMED: roots.Tree = {
    "etc/crypttab": f"root UUID={roots.UUID} none luks\n",
    "sys/kernel/kexec_crash_loaded": "0\n",
    "proc/keys": "",
    roots.RECORD: None,
}
MACHINES: dict[str, roots.Tree] = {
    "fedora": {},
    "fedora without link-volume-key": {"etc/crypttab": f"root UUID={roots.UUID} none luks\n"},
    "fedora with memory reserved": _UNARMED,
    "fedora that was never prepared": _UNARMED | {"sys/kernel/kexec_crash_size": "0\n"},
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    note: str

    def steps(self) -> Iterator[tuple[str, str]]:
        """Each command of a transcript with what it must print."""
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: Path) -> list[Block]:
    """All transcripts and programs of a page."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(each["language"], each["text"], each["note"] or "") for each in found]


def run_here(page: Path, language: str) -> list[Block]:
    return [each for each in blocks(page) if each.language == language and each.note != NEEDS_ROOT]


def pattern(expected: str) -> re.Pattern[str]:
    """What a transcript's output stands for."""
    lines = [
        r"(?:[^\n]*\n)*" if line == "…" else "[^\n]*".join(map(re.escape, line.rstrip().split("…"))) + "\n"
        for line in expected.splitlines()
    ]
    return re.compile("".join(lines))


def fill(folder: Path) -> None:
    """The image that every page starts with."""
    (folder / "disk.img").write_bytes(lzma.decompress(roots.IMAGE.read_bytes()))
    (folder / "passphrase").write_text(PASSPHRASE)
    (folder / "new.key").write_text("another passphrase")


class Shell:
    """A shell at a terminal of 80 columns, whose user types the passphrase where one is asked for."""

    def __init__(self, folder: Path) -> None:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "PS1": PROMPT,
        }
        self._shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile", "--noediting"],
            cwd=folder,
            env=environment,
            encoding="utf-8",
            timeout=HANGS_AFTER_S,
            dimensions=(24, 80),
            echo=False,
        )
        self._shell.expect_exact(PROMPT)

    def run(self, command: str) -> str:
        """What a command prints."""
        self._shell.sendline(command)
        printed = ""
        while self._shell.expect([re.escape(PROMPT), r"Enter passphrase for [^\r\n]*: "]) == 1:
            printed += f"{self._shell.before}{self._shell.after}"
            self._shell.sendline(PASSPHRASE)
        printed += self._shell.before
        # Of a line that was drawn over, the last state stays, as on a screen.
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in printed.split("\n")]
        return "\n".join(line.replace(ERASE, "").rstrip() for line in lines)

    def close(self) -> None:
        self._shell.close(force=True)


def test_every_kind_of_page_has_transcripts() -> None:
    with_transcripts = {page.name for page in PAGES if run_here(page, "console")}
    assert with_transcripts >= {"README.md", "tutorial.md", "recover.md", "scripts.md"}


def test_every_note_before_a_block_is_understood() -> None:
    notes = {each.note for page in PAGES for each in blocks(page)}
    assert notes - {"", NEEDS_ROOT} <= {f"machine: {name}" for name in MACHINES}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if run_here(page, "console")], ids=lambda page: page.name
)
def test_a_transcript_shows_what_the_commands_print(page: Path, tmp_path: Path) -> None:
    fill(tmp_path)
    shell = Shell(tmp_path)
    try:
        for block in run_here(page, "console"):
            name = block.note.removeprefix("machine: ")
            tree = tmp_path / "machines" / name.replace(" ", "-")
            if name and not tree.exists():
                roots.build(tree, roots.fedora() | MACHINES[name])
            for command, expected in block.steps():
                rooted = READS_THE_MACHINE.sub(rf"\g<0> --root {tree} ", command) if name else command
                printed = shell.run(rooted).replace(f"{tree}/", "/")
                assert pattern(expected).fullmatch(printed), f"$ {command}\n{printed}instead of\n{expected}"
    finally:
        shell.close()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if run_here(page, "python")], ids=lambda page: page.name
)
def test_a_program_in_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    for block in run_here(page, "python"):
        exec(compile(block.text, page.name, "exec"), {})  # noqa: S102 - the page's own program
