"""After a volume is closed, no copy of a key or passphrase is left in the process, seen from outside."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdumpkey.crypto import kdf
from kdumpkey.luks.device import open_luks
from memory_scan import child
from naive_ciphers import crypt
from tools import require_tool

CHEAP = ["--pbkdf-force-iterations"]
KINDS = {
    "luks1": ["--type", "luks1", *CHEAP, "1000"],
    "luks2 pbkdf2": ["--type", "luks2", "--pbkdf", "pbkdf2", *CHEAP, "1000"],
    "luks2 sha512": ["--type", "luks2", "--pbkdf", "pbkdf2", "--hash", "sha512", *CHEAP, "1000"],
    "luks2 argon2id": ["--type", "luks2", "--pbkdf", "argon2id", *CHEAP, "4", "--pbkdf-memory", "4096"],
    "luks2 cbc": [
        *("--type", "luks2", "--pbkdf", "pbkdf2", *CHEAP, "1000"),
        *("--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"),
    ],
}


@dataclass(frozen=True)
class Image:
    """An image and everything about it that must stay secret."""

    path: Path
    key_file: Path
    volume_key_file: Path
    secrets: dict[str, bytes]


def next_round_keys(key: bytes) -> bytes:
    """The round keys 2 and 3 of AES-256 (FIPS 197, 5.2): of the expanded key, what is not the key itself."""
    sbox = _sbox()
    words = [key[i : i + 4] for i in range(0, 32, 4)]
    for i in range(8, 16):
        word = words[-1]
        if i == 8:
            word = bytes(sbox[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ 1]) + word[1:]
        elif i == 12:
            word = bytes(sbox[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[i - 8], word, strict=True)))
    return b"".join(words[8:])


def _sbox() -> list[int]:
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = [q << shift | q >> 8 - shift for shift in range(5)]
        box[p] = (rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63) & 0xFF
        if p == 1:
            box[0] = 0x63
            return box


@pytest.fixture(scope="module", params=KINDS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    path, key_file, volume_key_file = folder / "disk.img", folder / "pass", folder / "vk"
    passphrase = secrets.token_hex(24).encode()  # long enough for pieces of 16 bytes
    key_file.write_bytes(passphrase)
    path.touch()
    os.truncate(path, 20 << 20)
    cryptsetup = [require_tool("cryptsetup"), "-q"]
    subprocess.run([*cryptsetup, "luksFormat", *KINDS[request.param], path, key_file], check=True)
    dump = [
        "luksDump",
        "--dump-volume-key",
        "--volume-key-file",
        volume_key_file,
        "--key-file",
        key_file,
        path,
    ]
    subprocess.run([*cryptsetup, *dump], check=True, capture_output=True)
    volume_key = volume_key_file.read_bytes()
    return Image(path, key_file, volume_key_file, _secrets(path, passphrase, volume_key))


def _secrets(path: Path, passphrase: bytes, volume_key: bytes) -> dict[str, bytes]:
    with open_luks(path) as luks:
        slot = luks.header.keyslots[0]
        assert slot.kdf is not None
        sector = bytearray(512)
        luks.device.pread_into(sector, slot.area.offset)
    with kdf.derive(slot.kdf, passphrase, slot.area.key_size) as derived:
        key = bytes(memoryview(derived))
    area = crypt("decrypt", slot.area.encryption, key, bytes(sector), sector_size=512, numbers=range(1))
    return {
        "the passphrase": passphrase,
        "the volume key": volume_key,
        "the derived key": key,
        "the keyslot area's plaintext": area[:64],
        "the expanded volume key": next_round_keys(volume_key[:32])
        if len(volume_key) == 64
        else os.urandom(32),
        "the expanded derived key": next_round_keys(key[:32]) if len(key) == 64 else os.urandom(32),
        "the ESSIV key": hashlib.sha256(volume_key).digest() if len(volume_key) == 32 else os.urandom(32),
    }


LIBRARY = """
from pathlib import Path
from kdumpkey import open_luks
from kdumpkey.cli.keyfile import read_key_file
state = {{}}
def opened():
    luks = state["luks"] = open_luks({path!r})
    with read_key_file({key_file!r}) as passphrase:
        state["opened"] = luks.unlock(passphrase)
    state["volume"] = luks.volume(state["opened"].volume_key)
def used():
    buffer = bytearray(1 << 20)
    state["volume"].read_into(buffer, 0)
    state["volume"].read_into(memoryview(buffer)[:100], 777)
def closed():
    state["volume"].close(); state["opened"].volume_key.close(); state["luks"].close()
def passphrase():
    state["passphrase"] = read_key_file({key_file!r})
def forgotten():
    state.pop("passphrase").close()
parts = dict(opened=opened, used=used, closed=closed, passphrase=passphrase, forgotten=forgotten)
"""


def library(image: Image) -> str:
    return LIBRARY.format(path=str(image.path), key_file=str(image.key_file))


def test_the_volume_key_is_there_while_it_is_open_and_nothing_is_after(image: Image) -> None:
    with child(library(image)) as process:
        assert process.holds(image.secrets) == {}
        assert process.run("passphrase") == "done"
        assert set(process.holds(image.secrets)) == {"the passphrase"}
        assert process.run("forgotten") == "done"
        assert process.holds(image.secrets) == {}
        assert process.run("opened") == "done"
        assert process.run("used") == "done"
        held = set(process.holds(image.secrets))
        assert "the volume key" in held
        assert held <= {"the volume key", "the expanded volume key", "the ESSIV key"}
        assert process.run("closed") == "done"
        assert process.holds(image.secrets) == {}


MAIN = """
import os
from kdumpkey.cli.main import main
from kdumpkey.streams import Streams
def run(*words, stdin="/dev/null"):
    def part():
        fd, null = os.open(stdin, os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
        code = main(words, Streams(fd, null, null, "/nonexistent"))
        os.close(fd); os.close(null)
        assert code == {code}
    return part
parts = dict(run=run(*{words!r}, stdin={stdin!r}))
"""


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [
        ("unlock {path} --key-file {key_file}", "/dev/null", 0),
        ("unlock {path} --to - --length 1M", "{key_file}", 0),
        ("open --test-passphrase {path} --key-file -", "{key_file}", 0),
        ("unlock {path} --volume-key-file {volume_key_file} --to - --length 1M", "/dev/null", 0),
        ("unlock {path} --key-file {key_file} --to /dev/full --force", "/dev/null", 1),
        ("unlock {path} --key-file {key_file} --to {path} --force", "/dev/null", 1),
        ("unlock {path} --key-file {key_file} --to - --from 1G", "/dev/null", 1),
        ("luksDump --dump-volume-key -q {path} --key-file {key_file}", "/dev/null", 0),
        ("open --test-passphrase {path} --key-file {key_file} --debug", "/dev/null", 0),
    ],
)
def test_nothing_is_left_when_a_command_has_ended(image: Image, words: str, stdin: str, code: int) -> None:
    names = {"path": image.path, "key_file": image.key_file, "volume_key_file": image.volume_key_file}
    filled = tuple(word.format(**names) for word in words.split())
    program = MAIN.format(words=filled, stdin=stdin.format(**names), code=code)
    with child(program) as process:
        assert process.run("run") == "done"
        volume_key = image.secrets["the volume key"]
        written = {f"in hex {sep!r}": volume_key[:32].hex(*sep).encode() for sep in ("", " ")}
        assert process.holds({**image.secrets, **written}) == {}


def test_nothing_is_left_of_a_wrong_passphrase(image: Image, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(secrets.token_hex(24).encode())
    words = ("unlock", str(image.path), "--key-file", str(wrong))
    with child(MAIN.format(words=words, stdin="/dev/null", code=2)) as process:
        assert process.run("run") == "done"
        assert (
            process.holds(_secrets(image.path, wrong.read_bytes(), image.volume_key_file.read_bytes())) == {}
        )
