"""What the system's cryptsetup formats, kdumpkey reads and opens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kdumpkey.errors import WrongKeyError
from kdumpkey.luks import luks1, luks2, read_header
from kdumpkey.luks.model import CopyState, Luks1Header, Luks2Header
from kdumpkey.luks.strict_json import pretty
from kdumpkey.luks.unlock import Search, unlock
from kdumpkey.luks.volume_key import verify_volume_key
from kdumpkey.storage.device import open_readonly
from tools import require_tool

CIPHERS = [("aes-xts-plain64", 256), ("aes-xts-plain64", 512), ("aes-cbc-essiv:sha256", 256)]
PBKDF2 = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
KDFS = {
    "pbkdf2 sha256": [*PBKDF2, "--hash", "sha256"],
    "pbkdf2 sha512": [*PBKDF2, "--hash", "sha512"],
    "pbkdf2 whirlpool": [*PBKDF2, "--hash", "whirlpool"],
    "argon2i": ["--pbkdf", "argon2i", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "1024"],
    "argon2id": ["--pbkdf", "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "1024"],
}
Cryptsetup = Callable[..., bytes]


@pytest.fixture
def cryptsetup() -> Cryptsetup:
    tool = require_tool("cryptsetup")

    def run(*arguments: object, stdin: bytes = b"") -> bytes:
        command = [tool, "-q", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout

    return run


def formatted(cryptsetup: Cryptsetup, folder: Path, kind: str, *options: str, detached: bool = False) -> Path:
    """The device with the header."""
    device, header = folder / "device", folder / "header"
    with device.open("wb") as file:
        file.truncate(20 << 20)
    where = ["--header", str(header)] if detached else []
    cryptsetup("luksFormat", "--type", kind, *options, *where, device, "-", stdin=b"passphrase")
    return header if detached else device


def volume_key(cryptsetup: Cryptsetup, path: Path, folder: Path) -> bytes:
    target = folder / "volume-key"
    cryptsetup(
        "luksDump",
        "--dump-volume-key",
        "--volume-key-file",
        target,
        path,
        "--key-file",
        "-",
        stdin=b"passphrase",
    )
    return target.read_bytes()


@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
@pytest.mark.parametrize(("cipher", "bits"), CIPHERS)
@pytest.mark.parametrize(
    ("kind", "kdf"),
    [("luks2", name) for name in KDFS] + [("luks1", name) for name in KDFS if "pbkdf2" in name],
)
def test_the_volume_key_is_cryptsetups(
    cryptsetup: Cryptsetup, tmp_path: Path, kind: str, kdf: str, cipher: str, bits: int, detached: bool
) -> None:
    options = [option for option in KDFS[kdf] if kind == "luks2" or option not in ("--pbkdf", "pbkdf2")]
    path = formatted(
        cryptsetup, tmp_path, kind, "--cipher", cipher, "--key-size", str(bits), *options, detached=detached
    )
    with open_readonly(path) as device:
        header = read_header(device)
        with pytest.raises(WrongKeyError):
            unlock(device, header, b"passphras")
        with unlock(device, header, b"passphrase").volume_key as key:
            assert verify_volume_key(header, key).id == 0
            assert bytes(memoryview(key)) == volume_key(cryptsetup, path, tmp_path)
    (segment,) = header.data_segments
    assert (segment.encryption, header.keyslots[0].key_size) == (cipher, bits // 8)
    assert (header.data_offset == 0) == detached


def test_what_cryptsetup_wrote_is_written_back_byte_for_byte(cryptsetup: Cryptsetup, tmp_path: Path) -> None:
    path = formatted(cryptsetup, tmp_path, "luks2", *PBKDF2, "--label", "a/b é", "--subsystem", "s")
    cryptsetup("config", "--priority", "prefer", "-S", "0", path)
    token = {"type": "x/y é\x01", "keyslots": ["0"], "é/": '"\\', "n": [1, -1, 1.50, None, True, {}, []]}
    cryptsetup("token", "import", path, stdin=json.dumps(token, ensure_ascii=False).encode())
    with open_readonly(path) as device:
        header = read_header(device)
    assert isinstance(header, Luks2Header)
    content = path.read_bytes()
    for number, offset in enumerate((0, header.metadata_size)):
        copy = header.copies[number]
        assert copy.state is CopyState.CURRENT
        written = luks2.serialise(header, secondary=bool(number), salt=copy.salt)
        assert written == content[offset : offset + header.metadata_size]
    assert (header.label, header.subsystem, header.keyslots[0].priority) == ("a/b é", "s", 2)
    assert cryptsetup("luksDump", "--dump-json-metadata", path).decode() == pretty(header.json)


def test_a_luks1_header_is_written_back_byte_for_byte(cryptsetup: Cryptsetup, tmp_path: Path) -> None:
    path = formatted(cryptsetup, tmp_path, "luks1", *PBKDF2[2:])
    with open_readonly(path) as device:
        header = read_header(device)
    assert isinstance(header, Luks1Header)
    assert luks1.serialise(header) == path.read_bytes()[:592]


@pytest.mark.parametrize("size", ["16k", "32k", "64k", "128k", "256k", "512k", "1m", "2m", "4m"])
def test_every_metadata_size_is_read(cryptsetup: Cryptsetup, tmp_path: Path, size: str) -> None:
    path = formatted(
        cryptsetup, tmp_path, "luks2", *PBKDF2, "--luks2-metadata-size", size, "--luks2-keyslots-size", "1m"
    )
    with open_readonly(path) as device:
        header = read_header(device)
        unlock(device, header, b"passphrase").volume_key.close()
    assert isinstance(header, Luks2Header)
    assert header.metadata_size == int(size[:-1]) << (20 if size.endswith("m") else 10)
    assert header.config.keyslots_size == 1 << 20


def test_added_killed_and_unbound_keyslots(cryptsetup: Cryptsetup, tmp_path: Path) -> None:
    path = formatted(cryptsetup, tmp_path, "luks2", *PBKDF2)
    first = tmp_path / "first"
    first.write_bytes(b"passphrase")
    cryptsetup("luksAddKey", *PBKDF2, "--key-file", first, path, "-", stdin=b"second")
    cryptsetup(
        "luksAddKey",
        *PBKDF2,
        "--unbound",
        "--key-size",
        "256",
        "-S",
        "5",
        "--key-file",
        first,
        path,
        "-",
        stdin=b"5th",
    )
    cryptsetup("luksKillSlot", path, "0")
    with open_readonly(path) as device:
        header = read_header(device)
        assert list(header.keyslots) == [1, 5]
        assert [header.is_unbound(number) for number in (1, 5)] == [False, True]
        with pytest.raises(WrongKeyError):
            unlock(device, header, b"passphrase")
        opened = unlock(device, header, b"second")
        opened.volume_key.close()
        assert opened.keyslot == 1
        with pytest.raises(WrongKeyError):
            unlock(device, header, b"5th")
        with unlock(device, header, b"5th", Search(unbound=True)).volume_key as key:
            assert len(key) == 32
