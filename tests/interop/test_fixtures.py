"""Images that other people's tools made, and what each must be (expectations.tsv)."""

# ruff: noqa: SIM905 (words are read more easily in one string)
from __future__ import annotations

import csv
import hashlib
import subprocess
from pathlib import Path

import pytest

from kdumpkey.crypto.cipher import CipherSpec, sector_cipher
from kdumpkey.errors import CipherError, HeaderError, KeyslotError, RequirementsError, WrongKeyError
from kdumpkey.luks import layout, luks1, luks2, read_header
from kdumpkey.luks.model import Luks1Header, Luks2Header, LuksHeader
from kdumpkey.luks.requirements import check_requirements
from kdumpkey.luks.strict_json import serialise
from kdumpkey.luks.unlock import Search, Unlocked, unlock
from kdumpkey.luks.volume_key import verify_volume_key
from kdumpkey.storage.device import open_readonly
from shared_fixtures import shared_fixtures, unpacked
from tools import require_tool

VALIDATION = "luks2-validation"
# The names of expectations.tsv, so that every row is a test of its own even where the folder is not there.
ROWS = """
    invalid-checksum-hdr0 corrupted-hdr0-with-correct-chks argon2-leftover-params non-null-byte-beyond-json0
    invalid-opening-char-json0 overlapping-areas-c1-json0 missing-keyslot-referenced-in-digest
    keyslot-missing-digest uint64-overflow-segment-size segment-wrong-type segment-missing-size
    segment-wrong-size-2 segment-crypt-missing-ivoffset segment-crypt-wrong-sectorsize-0 segment-unknown-type
    segment-wrong-flags-element segment-crypt-empty-encryption invalid-keyslots-size-c2 invalid-json-size-c2
    metadata-size-64k-inv-area-c0 metadata-size-128k metadata-size-1m metadata-size-16k-secondary
    metadata-size-128k-secondary metadata-size-1m-secondary metadata-size-invalid invalid-top-objects
    keyslot-invalid-objects non-compact-json-4k-token-0
""".split()
COMPAT = """
    compatimage.img compatimage2.img luks1_aes-xts-plain64-sha256.img luks2_keyslot_unassigned.img
    luks2_invalid_cipher.img luks2_header_requirements test_image_16 test_image_4096
""".split()


def expectations() -> dict[str, str]:
    with (shared_fixtures() / VALIDATION / "expectations.tsv").open() as table:
        return {row["image"]: row["expected"] for row in csv.DictReader(table, delimiter="\t")}


def read(path: Path) -> LuksHeader:
    with open_readonly(path) as device:
        return read_header(device)


@pytest.fixture
def compat(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return unpacked(shared_fixtures() / "compat" / f"{request.param}.xz", tmp_path)


def open_with(path: Path, passphrase: bytes, **options: object) -> tuple[LuksHeader, Unlocked]:
    with open_readonly(path) as device:
        header = read_header(device)
        return header, unlock(device, header, passphrase, Search(**options))  # type: ignore[arg-type]


def plaintext(path: Path, header: LuksHeader, unlocked: Unlocked) -> bytes:
    (segment,) = header.data_segments
    content = bytearray(path.read_bytes()[segment.offset :])
    with sector_cipher(
        CipherSpec.parse(segment.encryption), unlocked.volume_key, sector_size=segment.sector_size
    ) as cipher:
        cipher.decrypt_into(content, content, segment.iv_tweak)
    return bytes(content)


def test_the_rows_are_those_of_the_table() -> None:
    assert sorted(f"luks2-{row}.img.xz" for row in ROWS) == sorted(expectations())


@pytest.mark.parametrize("row", ROWS)
def test_a_header_is_taken_or_refused_as_expected_and_never_written(tmp_path: Path, row: str) -> None:
    image = f"luks2-{row}.img.xz"
    expected = expectations()[image]
    path = unpacked(shared_fixtures() / VALIDATION / image, tmp_path)
    path.chmod(0o400)
    before = hashlib.sha256(path.read_bytes()).digest()
    if expected.startswith("accept"):
        assert isinstance(read(path), Luks2Header)
    else:
        with pytest.raises(HeaderError):
            read(path)
    assert hashlib.sha256(path.read_bytes()).digest() == before


@pytest.mark.parametrize("row", ROWS)
def test_cryptsetup_takes_and_refuses_the_same(tmp_path: Path, row: str) -> None:
    require_tool("cryptsetup")
    path = unpacked(shared_fixtures() / VALIDATION / f"luks2-{row}.img.xz", tmp_path)
    try:
        read(path)
        ours = 0
    except HeaderError as error:
        ours = error.exit_code
    done = subprocess.run(["cryptsetup", "luksDump", path], capture_output=True, check=False)
    assert done.returncode == ours


@pytest.mark.parametrize("compat", COMPAT, indirect=True)
def test_a_real_header_is_written_back_byte_for_byte(compat: Path) -> None:
    content, header = compat.read_bytes(), read(compat)
    if isinstance(header, Luks1Header):
        written = luks1.serialise(header)
        assert written == content[: len(written)]
        return
    assert isinstance(header, Luks2Header)
    assert serialise(header.json) == header.json_text
    for number, offset in enumerate((0, header.metadata_size)):
        salt = header.copies[number].salt
        written = luks2.serialise(header, secondary=bool(number), salt=salt)
        assert written == content[offset : offset + header.metadata_size]


@pytest.mark.parametrize("compat", ["compatimage.img"], indirect=True)
def test_compatimage_has_the_plaintext_that_it_must_have(compat: Path) -> None:
    header, unlocked = open_with(compat, b"compatkey")
    with unlocked.volume_key:
        assert verify_volume_key(header, unlocked.volume_key).id == unlocked.digest
        digest = hashlib.sha256(plaintext(compat, header, unlocked)).hexdigest()
    assert digest == "7428e8f2436882a07eb32765086f5c899474c08b5576f556b573d2aabdf923e8"


@pytest.mark.parametrize("compat", ["compatimage2.img"], indirect=True)
def test_compatimage2_unlocks_and_has_an_argon2id_keyslot(compat: Path) -> None:
    header, unlocked = open_with(compat, b"compatkey")
    unlocked.volume_key.close()
    assert unlocked.keyslot == 0
    with pytest.raises(WrongKeyError):  # keyslot 1 has another passphrase; its KDF runs nevertheless
        open_with(compat, b"compatkey", keyslot=1)
    assert header.keyslots[1].kdf.memory_kib == 65536  # type: ignore[union-attr]


@pytest.mark.parametrize("compat", ["luks1_aes-xts-plain64-sha256.img"], indirect=True)
def test_the_luks1_image_with_a_key_file_holds_its_fat_filesystem(compat: Path) -> None:
    key_file = (shared_fixtures() / "compat" / "luks1-keyfile").read_bytes()
    header, unlocked = open_with(compat, key_file)
    with unlocked.volume_key:
        boot_sector = plaintext(compat, header, unlocked)[:512]
    assert boot_sector[510:] == b"\x55\xaa"
    assert b"\xbe\xba\xad\xde" in (boot_sector[0x27:0x2B], boot_sector[0x43:0x47])  # volume id DEAD-BABE


@pytest.mark.parametrize("compat", ["luks2_keyslot_unassigned.img"], indirect=True)
def test_the_unbound_keyslot_opens_only_when_named_or_with_unbound(compat: Path) -> None:
    opened = open_with(compat, b"compatkey")[1]
    opened.volume_key.close()
    assert opened.keyslot == 0
    with pytest.raises(WrongKeyError):
        open_with(compat, b"93R4P4pIqAH8")
    for options in ({"keyslot": 1}, {"unbound": True}):
        header, unlocked = open_with(compat, b"93R4P4pIqAH8", **options)
        with unlocked.volume_key:
            assert unlocked.keyslot == 1
            assert header.is_unbound(1)
            with pytest.raises(WrongKeyError, match="does not match the volume"):
                verify_volume_key(header, unlocked.volume_key)
            assert verify_volume_key(header, unlocked.volume_key, unbound=True).id == unlocked.digest


@pytest.mark.parametrize("compat", ["luks2_invalid_cipher.img"], indirect=True)
def test_an_unknown_segment_cipher_keeps_no_one_from_testing_the_passphrase(compat: Path) -> None:
    header, unlocked = open_with(compat, b"93R4P4pIqAH8")
    with unlocked.volume_key, pytest.raises(CipherError) as caught:
        plaintext(compat, header, unlocked)
    assert header.data_segments[0].encryption in str(caught.value)


@pytest.mark.parametrize("compat", ["luks2_header_requirements"], indirect=True)
def test_unmet_requirements_allow_dumping_and_trying_and_nothing_else(compat: Path) -> None:
    header = read(compat)
    assert header.requirements == ("req0", "req1")
    for action in ("luksDump", "luksHeaderBackup", "luksKillSlot", "erase", "test-passphrase"):
        check_requirements(header, action)
    for action in ("open", "unlock", "luksAddKey", "config", "token add", "luksUUID --uuid"):
        with pytest.raises(
            RequirementsError, match=r"^Unmet LUKS2 requirements detected\.\nreq0: .*\nreq1: "
        ):
            check_requirements(header, action)
    with pytest.raises((WrongKeyError, KeyslotError)):
        open_with(compat, b"wrong")


@pytest.mark.parametrize(
    ("compat", "size"), [("test_image_16", 1 << 14), ("test_image_4096", 1 << 22)], indirect=["compat"]
)
def test_the_smallest_and_the_largest_metadata_area_unlock(compat: Path, size: int) -> None:
    header, unlocked = open_with(compat, b"Qx3qn46vq0v")
    unlocked.volume_key.close()
    assert isinstance(header, Luks2Header)
    assert header.metadata_size == size
    assert size in layout.LUKS2_METADATA_SIZES


@pytest.mark.parametrize("compat", ["evil_hdr-keyslot_overlap", "evil_hdr-small_luks_device"], indirect=True)
def test_evil_luks1_headers_are_refused(compat: Path) -> None:
    with pytest.raises(HeaderError, match=r"keyslot 1 is invalid|requires at least 1049600 bytes") as caught:
        read(compat)
    assert caught.value.exit_code == 1
