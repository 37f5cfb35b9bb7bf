"""Every cipher within AES that cryptsetup formats: keyslots of both programs, data by a naive reference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.errors import CipherError
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.new_keyslot import area_cipher
from naive_ciphers import crypt
from tools import newer_stands_in, require_tool

PASSPHRASE = b"correct horse"
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
MIB = 1 << 20
IVS = ("plain", "plain64", "plain64be", "null", "benbi", "eboiv", "essiv:sha256")
# cryptsetup makes EBOIVs of its own in these; its keyslots are opened, but dm-crypt has no such data.
ONLY_KEYSLOTS = ("aes-ctr-eboiv", "aes-cfb-eboiv", "aes-ofb-eboiv")
CIPHERS = ["aes-ecb"] + [f"aes-{mode}-{iv}" for mode in ("xts", "cbc", "ctr", "cfb", "ofb") for iv in IVS]
REFUSED = [
    "aes-xts",
    "aes-ecb-plain64",
    "aes-XTS-plain64",
    "aes-cbc-plain6",
    "aes-cbc-essiv:nohash",
    "aes-gcm-random",
]
pytestmark = pytest.mark.usefixtures("each_cryptsetup")


def key_of(nbytes: int) -> bytes:
    return bytes((i * 37 + nbytes) % 251 for i in range(nbytes))


def format_words(path: Path, version: int, cipher: str, key: Path, bits: int) -> list[str | Path]:
    how = ["-q", "--type", f"luks{version}", *CHEAP, "-c", cipher, "-s", str(bits)]
    return ["luksFormat", *how, "--volume-key-file", key, path, "--key-file", "-"]


def blank(path: Path, size: int) -> Path:
    path.touch()
    os.truncate(path, size)
    return path


def sizes(cipher: str) -> tuple[int, ...]:
    if cipher == "aes-xts-eboiv":
        return (256,)  # all of the key is to be one key of AES, in a keyslot
    return (256, 512) if "-xts-" in cipher else (128, 192, 256)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_what_cryptsetup_formats_is_read_and_written_here(tmp_path: Path, cipher: str) -> None:
    cryptsetup = require_tool("cryptsetup")
    for number, bits in enumerate(sizes(cipher)):
        version = 1 + number % 2
        image = blank(tmp_path / f"{bits}", (0, 3, 17)[version] * MIB)
        key_file, plain = tmp_path / "key", tmp_path / "plain"
        key_file.write_bytes(key := key_of(bits // 8))
        done = run([cryptsetup, *format_words(image, version, cipher, key_file, bits)], PASSPHRASE)
        assert done.code == 0, done.err
        assert ours(["open", "--test-passphrase", image, "--key-file", "-"], PASSPHRASE).code == 0
        if cipher in ONLY_KEYSLOTS:
            continue
        with open_luks(image) as luks:
            data_offset = luks.header.data_offset
        size = 4096 if version == 2 else 512
        data = bytes(range(256)) * 32
        numbers = range(0, len(data) // 512, size // 512)
        expected = crypt("encrypt", cipher, key, data, sector_size=size, numbers=numbers)
        with image.open("r+b") as file:
            file.seek(data_offset)
            file.write(expected)
        length = ["--length", str(len(data))]
        done = ours(
            ["unlock", image, "--key-file", "-", "--to", tmp_path / f"out{bits}", *length], PASSPHRASE
        )
        assert done.code == 0, done.err
        assert (tmp_path / f"out{bits}").read_bytes() == data
        plain.write_bytes(data[::-1])
        assert ours(["encrypt", plain, image, "--key-file", "-"], PASSPHRASE).code == 0
        with image.open("rb") as file:
            file.seek(data_offset)
            written = file.read(len(data))
        assert crypt("decrypt", cipher, key, written, sector_size=size, numbers=numbers) == data[::-1]


@pytest.mark.parametrize(
    "cipher", [*CIPHERS, "AES-cbc-PLAIN64", "aes-xts-benbi:8", "aes-", "aes-plain", "aes"]
)
def test_what_kdumpkey_formats_cryptsetup_opens(tmp_path: Path, cipher: str) -> None:
    cryptsetup = require_tool("cryptsetup")
    bits, key_file = sizes(cipher)[0], tmp_path / "key"
    key_file.write_bytes(key_of(bits // 8))
    for version in (1, 2):
        mine, theirs = (blank(tmp_path / f"{who}{version}", 17 * MIB) for who in ("mine", "theirs"))
        done = ours(format_words(mine, version, cipher, key_file, bits), PASSPHRASE)
        assert done.code == 0, done.err
        run([cryptsetup, *format_words(theirs, version, cipher, key_file, bits)], PASSPHRASE)
        opened = run([cryptsetup, "open", "--test-passphrase", mine, "--key-file", "-"], PASSPHRASE)
        assert opened.code == 0, opened.err
        dumps = [run([cryptsetup, "luksDump", each]).out for each in (mine, theirs)]
        lines = [[line for line in dump.splitlines() if "ipher" in line] for dump in dumps]
        assert lines[0] == lines[1]


@pytest.mark.parametrize("cipher", REFUSED)
@pytest.mark.parametrize("version", [1, 2])
def test_neither_formats_what_is_no_cipher(tmp_path: Path, cipher: str, version: int) -> None:
    mine, theirs = blank(tmp_path / "mine", 17 * MIB), blank(tmp_path / "theirs", 17 * MIB)
    how = ["luksFormat", "-q", "--type", f"luks{version}", *CHEAP, "-c", cipher, "-s", "256", "-d", "-"]
    assert run([require_tool("cryptsetup"), *how, theirs], PASSPHRASE).code == 1
    assert ours([*how, mine], PASSPHRASE).code == 1
    assert not mine.read_bytes().strip(b"\0")


@pytest.mark.parametrize(
    ("cipher", "bits"),
    [
        ("aes-ecb", 128),
        ("aes-ctr-plain64", 192),
        ("aes-ctr-benbi", 256),
        ("aes-ctr-eboiv", 128),
        ("aes-xts-essiv:sha256", 512),
        ("aes-xts-eboiv", 256),
        ("aes-xts-eboiv", 512),
        ("aes-xts-benbi", 512),
        ("aes-ofb-null", 128),
        ("aes-cfb-plain64be", 192),
        ("AES-cbc-plain", 256),
        ("aes", 256),
        ("aes-", 256),
        ("aes-xts-plain64", 384),
        ("aes-xts-plain64:sha256", 512),
        ("aes-ecb-plain64", 256),
        ("cipher_null-ecb", 256),
        ("null", 256),
        ("capi:xts(aes)-plain64", 512),
        ("serpent-xts-plain64", 512),
    ],
)
def test_a_keyslots_cipher_is_taken_and_opened_by_both_or_neither(
    tmp_path: Path, cipher: str, bits: int
) -> None:
    cryptsetup = require_tool("cryptsetup")
    mine, theirs = blank(tmp_path / "mine", 17 * MIB), blank(tmp_path / "theirs", 17 * MIB)
    how = [*CHEAP, "--keyslot-cipher", cipher, "--keyslot-key-size", str(bits), "--key-file", "-"]
    done = ours(["luksFormat", "-q", *how, mine], PASSPHRASE)
    reference = run([cryptsetup, "luksFormat", "-q", *how, theirs], PASSPHRASE)
    assert done.code == reference.code
    if reference.code:
        if reference.err and newer_stands_in():  # 2.6 does not always say why
            assert done.verdict == reference.verdict
        return
    test = ["open", "--test-passphrase", "--key-file", "-"]
    assert run([cryptsetup, *test, mine], PASSPHRASE).code == 0
    assert ours([*test, theirs], PASSPHRASE).code == 0
    assert ours([*test, theirs], b"wrong").code == 2


def test_the_null_cipher_is_formatted_and_read_with_a_warning(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 17 * MIB)
    done = ours(["luksFormat", "-q", *CHEAP, "-c", "null", image, "--key-file", "-"], PASSPHRASE)
    assert (done.code, done.out) == (0, "")
    assert "WARNING: cipher_null-ecb encrypts nothing" in done.err
    dump = run([require_tool("cryptsetup"), "luksDump", image]).out
    assert "cipher: cipher_null-ecb" in dump
    assert "Cipher:     aes-xts-plain64" in dump  # keyslots stay encrypted
    test = [require_tool("cryptsetup"), "open", "--test-passphrase", image, "--key-file", "-"]
    assert run(test, PASSPHRASE).code == 0
    with image.open("r+b") as file:
        file.seek(16 * MIB)
        file.write(b"for everybody")
    done = ours(["unlock", image, "-d", "-", "--to", tmp_path / "out", "--length", "13"], PASSPHRASE)
    assert done.code == 0
    assert (tmp_path / "out").read_bytes() == b"for everybody"


def test_a_null_keyslot_opens_with_an_empty_passphrase_alone(tmp_path: Path) -> None:
    """In LUKS1, keyslots have the data's cipher; whoever could plant one must not be believed."""
    image = blank(tmp_path / "image", 3 * MIB)
    words: list[str | Path] = [
        "luksFormat",
        "-q",
        "--type",
        "luks1",
        "--pbkdf-force-iterations",
        "1000",
        "-c",
        "null",
    ]
    done = ours([*words, image, "--key-file", "-"], PASSPHRASE)
    assert done.code == 1
    assert done.err.endswith("Only an empty passphrase opens a keyslot with the null cipher.\n")
    assert ours([*words, image], b"\n").code == 0
    assert ours(["open", "--test-passphrase", image], b"\n").code == 0
    done = ours(["open", "--test-passphrase", image], b"a\n")
    theirs = run([require_tool("cryptsetup"), "open", "--test-passphrase", image], b"a\n")
    assert (done.code, done.err) == (2, "No key available with this passphrase.\n")
    assert theirs.code != 0  # it needs the kernel to come as far


def test_no_keyslot_of_luks2_is_made_that_protects_nothing() -> None:
    for encryption in ("null", "cipher_null", "cipher_null-ecb", "capi:ecb(cipher_null)"):
        with pytest.raises(CipherError, match="not compatible with LUKS2 keyslot encryption"):
            area_cipher(encryption, 32)
