"""Every action two ways: kdumpkey writes and cryptsetup edits on; cryptsetup writes and kdumpkey edits on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from both import Result, ours, run
from kdumpkey.luks.layout import LUKS1_HEADER_SIZE
from noise import noise
from power_cuts import LUKS1, LUKS2, CutDevice

pytestmark = pytest.mark.usefixtures("each_cryptsetup")
MIB = 1 << 20
UUID = "0f3d1f52-5ac2-4bd1-9a3c-0123456789ab"
KINDS = {"luks1": LUKS1, "luks2": LUKS2}
EDIT = "luksAddKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 -d KEY:{} DEV KEY:edited"


@dataclass(frozen=True)
class Action:
    """An action on a device that ``one`` and ``two`` open.

    Attributes:
        line: Its words, also OPTIONS for those of luksFormat and OTHER for the other type of header.
        opens: What opens the device afterwards; the first is what it is edited with.
        kinds: Of which headers.
        stdin: What is read from standard input.
        prepared: What cryptsetup does before.
    """

    line: str
    opens: tuple[str, ...] = ("one", "two")
    kinds: tuple[str, ...] = ("luks1", "luks2")
    stdin: bytes = b""
    prepared: tuple[str, ...] = ()


ONLY2 = ("luks2",)
ARGON = "--pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 64 --pbkdf-parallel 1"
TOKEN = ("token add DEV --key-description a:b --token-id 3",)
ACTIONS = {
    "luksFormat": Action("luksFormat -q OPTIONS DEV KEY:new", ("new",)),
    "luksAddKey": Action("luksAddKey -q COST -d KEY:one DEV KEY:new", ("one", "two", "new")),
    "luksAddKey --unbound": Action(
        "luksAddKey -q COST --unbound --key-size 256 DEV KEY:new", kinds=ONLY2, stdin=b"new"
    ),
    "luksChangeKey": Action("luksChangeKey -q COST -d KEY:one DEV KEY:new", ("new", "two")),
    "luksConvertKey": Action(f"luksConvertKey -q {ARGON} -d KEY:one DEV", kinds=ONLY2),
    "luksRemoveKey": Action("luksRemoveKey -q DEV KEY:one", ("two",)),
    "luksKillSlot": Action("luksKillSlot -q DEV 0", ("two",)),
    "erase": Action("erase -q DEV", ()),
    "luksHeaderBackup": Action("luksHeaderBackup DEV --header-backup-file FILE:copy"),
    "luksHeaderRestore": Action(
        "luksHeaderRestore -q DEV --header-backup-file FILE:backup",
        prepared=("luksHeaderBackup DEV --header-backup-file FILE:backup", "luksKillSlot -q DEV 0"),
    ),
    "luksUUID": Action(f"luksUUID -q DEV --uuid {UUID}"),
    "config priority": Action("config DEV --priority prefer -S 1", kinds=ONLY2),
    "config label and subsystem": Action("config DEV --label a --subsystem b", kinds=ONLY2),
    "token add": Action(TOKEN[0], kinds=ONLY2),
    "token remove": Action("token remove DEV --token-id 3", kinds=ONLY2, prepared=TOKEN),
    "token import": Action("token import DEV --json-file TOKEN --token-id 5", kinds=ONLY2),
    "token export": Action(
        "token export DEV --token-id 3 --json-file FILE:exported", kinds=ONLY2, prepared=TOKEN
    ),
    "convert": Action("convert -q DEV --type OTHER"),
    "repair": Action("repair -q DEV"),
}
CASES = [(name, kind) for name, action in ACTIONS.items() for kind in action.kinds]


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """With ``one`` and ``two``, made by whichever cryptsetup is first."""
    made = {}
    for kind, options in KINDS.items():
        bench = CutDevice(tmp_path_factory.mktemp("devices"), kind)
        bench.device.write_bytes(bytes(3 * MIB))
        bench.theirs(f"luksFormat -q {options} --uuid {UUID[:-1]}c DEV KEY:one")
        bench.theirs("luksAddKey -q COST -d KEY:one DEV KEY:two")
        made[kind] = bench.device.read_bytes()
    return made


def line_of(action: Action, kind: str) -> str:
    other = "luks1" if kind == "luks2" else "luks2"
    return action.line.replace("OPTIONS", KINDS[kind]).replace("OTHER", other)


def metadata(bench: CutDevice, cryptsetup: str) -> object:
    """What a header says but for what is random: of LUKS2 by its JSON, of LUKS1 by its bytes."""
    if bench.device.read_bytes()[6:8] == b"\0\1":
        return without_random1(bench.device.read_bytes()[:LUKS1_HEADER_SIZE])
    done = run([cryptsetup, "luksDump", "--dump-json-metadata", bench.device])
    assert done.code == 0
    return without_random(json.loads(done.out))


def without_random(found: object) -> object:
    """JSON whose salts and digests say only how long they are."""
    if isinstance(found, dict):
        return {
            name: len(str(each)) if name in ("salt", "digest") else without_random(each)
            for name, each in found.items()
        }
    return [without_random(each) for each in found] if isinstance(found, list) else found


def without_random1(block: bytes) -> bytes:
    """A LUKS1 header without its digest, its salts and its UUID."""
    fields = [(112, 20), (132, 32), (168, 40), *((208 + 48 * slot + 8, 32) for slot in range(8))]
    image = bytearray(block)
    for offset, size in fields:
        image[offset : offset + size] = bytes(size)
    return bytes(image)


def by_ours(bench: CutDevice, line: str, stdin: bytes = b"") -> Result:
    return ours(bench.words(line), stdin)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_edits_and_opens_what_the_other_wrote(
    tmp_path: Path, devices: dict[str, bytes], each_cryptsetup: str, name: str, kind: str
) -> None:
    action, said = ACTIONS[name], {}

    def by_theirs(bench: CutDevice, line: str, stdin: bytes = b"") -> Result:
        return run([each_cryptsetup, *bench.words(line)], stdin)

    programs: dict[str, Callable[[CutDevice, str, bytes], Result]] = {"ours": by_ours, "theirs": by_theirs}
    for writer, other in (("ours", "theirs"), ("theirs", "ours")):
        folder = tmp_path / writer
        folder.mkdir()
        bench = CutDevice(folder, kind)
        bench.device.write_bytes(devices[kind])
        for line in action.prepared:
            bench.theirs(line)
        done = programs[writer](bench, line_of(action, kind), action.stdin)
        assert done.code == 0, done
        said[writer] = (
            metadata(bench, each_cryptsetup),
            {path.name: path.read_bytes() for path in folder.iterdir() if path.name in ("copy", "exported")},
        )
        assert programs[other](bench, "luksDump DEV", b"").code == 0
        opened = {
            passphrase
            for passphrase in ("one", "two", "new")
            if programs[other](bench, f"open --test-passphrase DEV -d KEY:{passphrase}", b"").code == 0
        }
        assert opened == set(action.opens)
        if action.opens:
            assert programs[other](bench, EDIT.format(action.opens[0]), b"").code == 0
            for passphrase in (*action.opens, "edited"):
                line = f"open --test-passphrase DEV -d KEY:{passphrase}"
                assert programs[writer](bench, line, b"").code == 0
    assert said["ours"] == said["theirs"]


@pytest.mark.parametrize("writer", ["ours", "theirs"])
def test_what_kdumpkey_encrypts_opens_and_is_edited_by_cryptsetup(
    tmp_path: Path, devices: dict[str, bytes], each_cryptsetup: str, writer: str
) -> None:
    bench, content = CutDevice(tmp_path, "luks2"), noise(MIB // 2)
    (tmp_path / "plain").write_bytes(content)
    bench.device.write_bytes(devices["luks2"])
    if writer == "ours":
        assert by_ours(bench, f"luksFormat -q {LUKS2} DEV KEY:one").code == 0
    before = bench.device.read_bytes()
    assert by_ours(bench, "encrypt -q FILE:plain DEV -d KEY:one").code == 0
    assert bench.device.read_bytes()[: 2 * MIB] == before[: 2 * MIB]
    assert run([each_cryptsetup, *bench.words("open --test-passphrase DEV -d KEY:one")]).code == 0
    assert run([each_cryptsetup, *bench.words(EDIT.format("one"))]).code == 0
    assert by_ours(bench, "unlock DEV -d KEY:edited --to FILE:back").code == 0
    assert (tmp_path / "back").read_bytes()[: len(content)] == content
