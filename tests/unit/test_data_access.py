"""Whether the data open: the check before the crash and what happens after it say the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from both import ours
from kdumpkey.errors import CipherError, RequirementsError
from kdumpkey.kdump.doctor import Verdict
from kdumpkey.kdump.doctor.examine import examine
from kdumpkey.luks.data_access import check_data_opens, data_access
from kdumpkey.luks.device import open_luks
from kdumpkey.luks.requirements import requirement
from odd_headers import Json, rewrite

PASSPHRASE = b"correct horse"
SEGMENT = 24 << 20


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.touch()
    os.truncate(path, SEGMENT)
    words = ["luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", path, "-d", "-"]
    assert ours(words, PASSPHRASE).code == 0
    return path


def encryption(text: str) -> Callable[[Json], None]:
    return lambda json: json["segments"]["0"].update(encryption=text)


def segment(**members: object) -> Callable[[Json], None]:
    return lambda json: json["segments"]["0"].update(members)


def demands(*names: str) -> Callable[[Json], None]:
    return lambda json: json["config"].update(requirements={"mandatory": list(names)})


INTEGRITY = {"type": "hmac(sha256)", "journal_encryption": "none", "journal_integrity": "none"}
NEITHER = {
    "opal": demands("opal"),
    "inline tags": demands("inline-hw-tags"),
    "unknown requirement": demands("from-the-future"),
    "two requirements": demands("opal", "from-the-future"),
    "unknown segment": segment(type="hw-opal"),
    "integrity": segment(integrity=INTEGRITY),
    "being re-encrypted": segment(flags=["in-reencryption"]),
    "a cipher of nobody's": encryption("serpent-xts-plain65"),
    "a sector size of nobody's": segment(sector_size=8192),
}


@pytest.mark.parametrize("kind", NEITHER)
def test_where_nothing_opens_the_data_every_check_before_the_crash_fails(
    tmp_path: Path, image: Path, kind: str
) -> None:
    rewrite(image, NEITHER[kind])
    assert ours(["open", "--test-passphrase", image, "-d", "-"], PASSPHRASE).code == 0
    to_file = ours(["unlock", image, "-d", "-", "--to", tmp_path / "out"], PASSPHRASE)
    assert to_file.code != 0
    before = ours(["unlock", image, "-d", "-"], PASSPHRASE)
    assert (before.code, before.out) == (1, "")
    assert before.err
    machine = ["--machine", tmp_path / "machine"]
    assert ours(["kdump", "boot", *machine]).code == 0
    assert ours(["kdump", "name", image, "-d", "-", *machine], PASSPHRASE).code == 1
    assert not named(machine)
    header = next(each for each in examine(Path("/"), [str(image)]) if each.check == "header")
    assert header.verdict is Verdict.BROKEN
    assert header.fix


def named(machine: list[str | Path]) -> bool:
    return "cryptsetup:" in ours(["kdump", "status", *machine]).out


def test_dm_crypt_alone_is_a_way_and_is_said(tmp_path: Path, image: Path) -> None:
    rewrite(image, encryption("serpent-xts-plain64"))
    done = ours(["unlock", image, "-d", "-"], PASSPHRASE)
    assert done.code == 0
    assert "WARNING: Only dm-crypt opens the data" in done.err
    assert "'serpent'" in done.err
    assert ours(["unlock", image, "-d", "-", "--to", tmp_path / "out"], PASSPHRASE).code == 1
    machine = ["--machine", tmp_path / "machine"]
    assert ours(["kdump", "boot", *machine]).code == 0
    done = ours(["kdump", "name", image, "-d", "-", *machine], PASSPHRASE)
    assert done.code == 0
    assert named(machine)
    assert "Only dm-crypt" in done.err
    header = next(each for each in examine(Path("/"), [str(image)]) if each.check == "header")
    assert header.verdict is Verdict.GOOD
    assert "Only dm-crypt opens its data" in header.what


@pytest.mark.parametrize("text", ["AES-xts-plain64", "aes-xts-benbix"])
def test_user_space_alone_is_a_way_and_is_said(tmp_path: Path, image: Path, text: str) -> None:
    rewrite(image, encryption(text))
    done = ours(["unlock", image, "-d", "-", "--to", tmp_path / "out"], PASSPHRASE)
    assert done.code == 0
    assert "WARNING: Only kdumpkey opens the data" in done.err
    header = next(each for each in examine(Path("/"), [str(image)]) if each.check == "header")
    assert header.verdict is Verdict.WARNING


def test_data_that_are_not_encrypted_open_with_a_warning(tmp_path: Path, image: Path) -> None:
    rewrite(image, encryption("cipher_null-ecb"))
    done = ours(["unlock", image, "-d", "-", "--to", tmp_path / "out"], PASSPHRASE)
    assert done.code == 0
    assert done.err.count("the null cipher protects nothing") == 1
    (plain := tmp_path / "plain").write_bytes(b"x")
    done = ours(["encrypt", plain, image, "-d", "-"], PASSPHRASE)
    assert done.code == 0
    assert "the null cipher protects nothing" in done.err


def test_a_wrong_passphrase_is_said_before_anything_of_the_data(image: Path) -> None:
    rewrite(image, demands("opal"))
    assert ours(["unlock", image, "-d", "-"], b"wrong").code == 2


def test_what_everything_opens_is_not_talked_about(image: Path) -> None:
    done = ours(["unlock", image, "-d", "-"], PASSPHRASE)
    assert (done.code, done.out, done.err) == (0, "", "")
    with open_luks(image) as luks:
        access = data_access(luks.header)
        assert check_data_opens(luks.header, "image") == []
    assert (access.user_space, access.dm_crypt) == ("", "")


def test_key_size_and_iv_that_do_not_go_with_the_cipher_are_found(image: Path) -> None:
    rewrite(image, encryption("aes-cbc-plain64"))  # with a key of 512 bits
    with open_luks(image) as luks:
        assert "512" in data_access(luks.header).user_space
    rewrite(image, segment(encryption="aes-xts-plain64", iv_tweak="1"))
    with open_luks(image) as luks:
        access = data_access(luks.header)
    assert access.user_space == ""
    assert "IVs begin at 1" in access.dm_crypt


def test_every_requirement_has_a_step_of_its_own() -> None:
    names = ("online-reencrypt-v2", "offline-reencrypt", "opal", "inline-hw-tags", "from-the-future")
    found = [requirement(name) for name in names]
    assert len({each.step for each in found}) == len({each.meaning for each in found}) == len(names)
    assert [each.name for each in found if "resume-only" in each.step] == ["online-reencrypt-v2"]


def test_the_errors_have_their_own_classes(image: Path) -> None:
    for kind, error in (("opal", RequirementsError), ("integrity", CipherError)):
        rewrite(image, NEITHER[kind])
        with open_luks(image) as luks, pytest.raises(error):
            check_data_opens(luks.header, "image")
        rewrite(image, demands())
