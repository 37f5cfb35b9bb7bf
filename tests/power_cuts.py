"""Devices to lose the power on, what opens them afterwards, and how many cuts were survived."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.luks import store
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.model import CopyState
from recorded_writes import Recorder
from tools import require_tool

MIB = 1 << 20
CHEAP = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000"
CHEAP1 = "--pbkdf-force-iterations 1000"
LUKS2 = f"--type luks2 --offset 4096 --sector-size 512 --key-size 256 {CHEAP}"
LUKS1 = f"--type luks1 --key-size 256 {CHEAP1}"
SMALL = f"{LUKS2} --luks2-keyslots-size 262144"
# Half the area of the others to each keyslot, so that 33 fit.
MANY = f"--type luks2 --offset 8192 --cipher aes-cbc-plain64 --key-size 128 {CHEAP}"


@dataclass(frozen=True)
class CutLayout:
    """How a device is made: the options of luksFormat, and how many MiB and keyslots it has.

    ``one`` opens the first keyslot, ``two`` the second, and ``last`` that of number `last`.
    """

    options: str
    mib: int = 3
    keyslots: int = 2
    last: int | None = None


CUT_LAYOUTS = {
    "luks2": CutLayout(LUKS2),
    "luks1": CutLayout(LUKS1, last=7),
    "luks2, no room for an area": CutLayout(SMALL),
    "luks2, all keyslots taken": CutLayout(MANY, mib=5, keyslots=32),
    "luks1, all keyslots taken": CutLayout(LUKS1, keyslots=8),
}


@dataclass(frozen=True)
class CutDevice:
    """A folder with a device in it, and the files that command lines name."""

    folder: Path
    layout: str

    @property
    def device(self) -> Path:
        return self.folder / "device"

    def words(self, line: str) -> list[str | Path]:
        """A command line in which DEV, COST, TOKEN, KEY:passphrase and FILE:name stand for what is here."""
        words: list[str | Path] = []
        for word in line.split():
            name, _, content = word.partition(":")
            if word == "COST":
                words += (CHEAP1 if self.layout.startswith("luks1") else CHEAP).split()
            elif word == "DEV":
                words.append(self.device)
            elif word == "TOKEN":
                (self.folder / "token").write_text('{"type":"foo","keyslots":["0"]}')
                words.append(self.folder / "token")
            elif name == "KEY":
                (self.folder / f"key-{content}").write_text(content)
                words.append(self.folder / f"key-{content}")
            elif name == "FILE":
                words.append(self.folder / content)
            else:
                words.append(word)
        return words

    def theirs(self, line: str) -> Result:
        """Have cryptsetup do it."""
        done = run([require_tool("cryptsetup"), *self.words(line)])
        assert done.code == 0, done
        return done

    def made(self) -> bytes:
        """The device as its layout says, by cryptsetup."""
        layout = CUT_LAYOUTS[self.layout]
        self.device.write_bytes(bytes(layout.mib * MIB))
        self.theirs(f"luksFormat -q {layout.options} DEV KEY:one")
        for name in ("two", *(f"more{number}" for number in range(layout.keyslots - 2))):
            self.theirs(f"luksAddKey -q COST -d KEY:one DEV KEY:{name}")
        if layout.last is not None:
            self.theirs(f"luksAddKey -q COST -d KEY:one -S {layout.last} DEV KEY:last")
        if self.layout == "luks2":
            self.theirs("token add DEV --key-description x:y --token-id 31")
        return self.device.read_bytes()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What each layout is before anything is done to it."""
    return {layout: CutDevice(tmp_path_factory.mktemp("images"), layout).made() for layout in CUT_LAYOUTS}


def recorded(
    bench: CutDevice, line: str, stdin: bytes, monkeypatch: pytest.MonkeyPatch, chunk: int = 64 * 1024
) -> Recorder:
    """What kdumpkey writes for a command line; wipes are cut into chunks, which may change places."""
    recorder = Recorder()
    with monkeypatch.context() as patched:
        patched.setattr(store, "_WIPE_CHUNK", chunk)
        recorder.record(patched)
        done = ours(bench.words(line), stdin)
    assert done.code == 0, done
    return recorder


def opens_by_ours(device: Path, passphrase: str) -> bool:
    """Whether kdumpkey opens a device, which it only reads."""
    return ours(["unlock", device, "--key-file", "-"], passphrase.encode()).code == 0


def opens_by_theirs(device: Path, passphrase: str) -> bool:
    """Whether cryptsetup opens a device, which it may mend."""
    words = ["open", "--test-passphrase", device, "--key-file", "-"]
    return run([require_tool("cryptsetup"), *words], passphrase.encode()).code == 0


def opened_by_both(
    device: Path, image: bytes, what: str, every: tuple[str, ...], either: tuple[str, ...] = ()
) -> tuple[bool, ...]:
    """Which of the passphrases `every` open an image, and at the end whether one of `either` does.

    Both programs must say the same.
    """
    verdicts = []
    for opens in (opens_by_ours, opens_by_theirs):
        device.write_bytes(image)
        opened = [opens(device, passphrase) for passphrase in every]
        if either:
            opened.append(any(opens(device, passphrase) for passphrase in either))
        verdicts.append(tuple(opened))
    assert verdicts[0] == verdicts[1], what
    return verdicts[0]


def assert_mended(device: Path, image: bytes, what: str) -> None:
    """Whatever is done next leaves two good copies of a LUKS2 header, and nothing for cryptsetup to mend."""
    for words in (["repair", "-q", device], ["config", device, "--label", "mended"]):
        device.write_bytes(image)
        assert ours(words).code == 0, what
        with open_luks(device) as luks:
            copies = luks.header.copies
        assert [copy.state for copy in copies] == [CopyState.CURRENT, CopyState.CURRENT], what
        assert copies[0].seqid == copies[1].seqid, what
    mended = device.read_bytes()
    # It rewrites a copy that is damaged or older whenever it reads a header.
    assert run([require_tool("cryptsetup"), "luksDump", device]).code == 0, what
    assert device.read_bytes() == mended, what


@dataclass
class Tally:
    """The cuts of one action: how many were survived, and where the others are."""

    name: str
    survived: int = 0
    window: int = 0
    writes: frozenset[str] = frozenset()

    def count(self, opens: bool, what: str) -> None:
        """One more cut; `what` begins with the epoch that it is in."""
        if opens:
            self.survived += 1
        else:
            self.window += 1
            self.writes |= {what.partition(",")[0]}


TALLIES: list[Tally] = []


def tally(name: str) -> Tally:
    """Begin to count the cuts of an action; they are told at the end of the test run."""
    TALLIES.append(Tally(name))
    return TALLIES[-1]


def summary() -> list[str]:
    """All counts, one line each, and their sum."""
    lines = [f"{each.name}: {each.survived} survived, {each.window} within the window" for each in TALLIES]
    total = sum(each.survived for each in TALLIES), sum(each.window for each in TALLIES)
    return [*lines, f"all {len(TALLIES)}: {total[0]} cuts survived, {total[1]} within the window"]
