"""What a person at a terminal sees and types: the same with kdumpkey as with cryptsetup."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from tools import HANGS_AFTER_S

KDUMPKEY = [sys.executable, "-m", "kdumpkey"]
RIGHT, WRONG = "correct horse", "wrong"
PROMPT = "Enter passphrase for .*: "
CAPITALS = "capital letters.: "
END_OF_INPUT, INTERRUPT = "\x04", "\x03"


@dataclass(frozen=True)
class Dialogue:
    """A command line, and what is typed at which prompt."""

    line: str
    typed: tuple[tuple[str, str], ...]


DIALOGUES = [
    Dialogue("open --test-passphrase -v luks2.img", ((PROMPT, RIGHT),)),
    Dialogue("open --test-passphrase -v luks1.img", ((PROMPT, WRONG), (PROMPT, RIGHT))),
    Dialogue("open --test-passphrase -v luks2.img", ((PROMPT, WRONG), (PROMPT, WRONG), (PROMPT, WRONG))),
    Dialogue("open --test-passphrase -v luks2.img -T 1", ((PROMPT, WRONG),)),
    Dialogue("open --test-passphrase -v luks2.img --tries 2", ((PROMPT, ""), (PROMPT, RIGHT))),
    Dialogue("open --test-passphrase -v luks2.img -d -", ((PROMPT, WRONG), (PROMPT, RIGHT))),
    Dialogue("open --test-passphrase -v -y luks2.img", ((PROMPT, RIGHT), ("Verify passphrase: ", RIGHT))),
    Dialogue("open --test-passphrase -v -y luks2.img", ((PROMPT, RIGHT), ("Verify passphrase: ", WRONG))),
    Dialogue("open --test-passphrase -v luks2.img -S 1", ((PROMPT, RIGHT), (PROMPT, "battery staple"))),
    Dialogue("open --test-passphrase -v --header detached.hdr data.img -T 1", ((PROMPT, WRONG),)),
    Dialogue("open --test-passphrase -v luks2.img", ((PROMPT, END_OF_INPUT),)),
    Dialogue("open --test-passphrase -v luks2.img", ((PROMPT, INTERRUPT),)),
    Dialogue("luksDump --dump-volume-key luks2.img", ((CAPITALS, "yes"),)),
    Dialogue("luksDump --dump-volume-key luks2.img", ((CAPITALS, "YES"), (PROMPT, RIGHT))),
    Dialogue("luksDump -v --dump-volume-key luks1.img", ((CAPITALS, "YES"), (PROMPT, WRONG))),
    Dialogue("luksDump --dump-volume-key luks2.img -d pass", ((CAPITALS, "YES"),)),
    Dialogue("luksDump --unbound -S 7 unbound.img -d wrong", ((CAPITALS, "YES"),)),
]


def held(program: list[str], dialogue: Dialogue, folder: Path) -> tuple[str, int | None, int | None]:
    """What stood on the terminal, and how the program ended."""
    words = [*program, *dialogue.line.split()]
    child = pexpect.spawn(words[0], words[1:], cwd=str(folder), timeout=HANGS_AFTER_S, encoding="utf-8")
    child.delaybeforesend = None
    seen = ""
    for prompt, typed in dialogue.typed:
        child.expect(prompt)
        seen += child.before + child.after
        child.waitnoecho(HANGS_AFTER_S) if prompt != CAPITALS else None
        if typed in (END_OF_INPUT, INTERRUPT):
            child.send(typed)
        else:
            child.sendline(typed)
    child.expect(pexpect.EOF)
    seen += child.before
    child.close()
    return seen, child.exitstatus, child.signalstatus


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda each: f"{each.line} {[t for _, t in each.typed]}")
def test_both_show_the_same(folder: Path, cryptsetup: str, dialogue: Dialogue) -> None:
    mine = held(KDUMPKEY, dialogue, folder)
    assert mine == held([cryptsetup], dialogue, folder)


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda each: each.line)
def test_no_passphrase_is_shown(folder: Path, dialogue: Dialogue) -> None:
    seen, _, _ = held(KDUMPKEY, dialogue, folder)
    for prompt, typed in dialogue.typed:
        if prompt != CAPITALS and len(typed) > 1:
            assert typed not in seen


def test_an_interrupt_at_the_prompt_ends_it_and_echo_comes_back(folder: Path) -> None:
    command = (
        f"trap : INT; {sys.executable} -m kdumpkey open --test-passphrase luks2.img; echo code $?; stty -a"
    )
    child = pexpect.spawn(
        "/bin/sh", ["-c", command], cwd=str(folder), timeout=HANGS_AFTER_S, encoding="utf-8"
    )
    child.expect(PROMPT)
    child.waitnoecho(HANGS_AFTER_S)
    child.send(INTERRUPT)
    child.expect("code ([0-9]+)")
    code = int(child.match.group(1))
    child.expect(pexpect.EOF)
    assert code != 0
    assert " echo " in child.before


def test_the_plaintext_is_never_written_to_a_terminal(folder: Path) -> None:
    seen, code, _ = held(KDUMPKEY, Dialogue("unlock luks2.img --to - -d pass", ()), folder)
    assert code == 1
    assert seen.strip() == "The plaintext will not be written to a terminal: redirect standard output."
