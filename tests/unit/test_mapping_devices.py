"""Block devices by number, and dmsetup's answers that are no good: what is made of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fake_dmsetup import FakeDmsetup
from kdumpkey.errors import BusyError, DeviceError, DeviceMapperError, InactiveError, MappingError
from kdumpkey.mapping import dmsetup
from kdumpkey.mapping.device import (
    backing_file,
    device_number,
    device_path,
    is_readonly,
    mapping_name,
    name_of,
)
from kdumpkey.mapping.dmsetup import DeviceMapper, check_name
from loops import loop_over

ANSWER = "#!/bin/sh\n{body}\n"


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """/sys/dev/block with a mapping, a disk and a loop device."""
    files = {
        "253:0/dm/name": "data\n",
        "8:1/uevent": "MAJOR=8\nMINOR=1\nDEVNAME=sda1\nDEVTYPE=partition\n",
        "7:3/uevent": "DEVNAME=loop3\n",
        "7:3/loop/backing_file": "/srv/image with a space\n",
        "9:9/uevent": "MAJOR=9\n",
    }
    for name, text in files.items():
        path = tmp_path / "sysfs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "sysfs"


@pytest.mark.parametrize(
    ("number", "path"),
    [("253:0", "/dev/mapper/data"), ("8:1", "/dev/sda1"), ("9:9", "9:9"), ("99:99", "99:99")],
)
def test_a_device_is_called_as_sysfs_calls_it_or_by_its_number(sysfs: Path, number: str, path: str) -> None:
    assert device_path(number, sysfs) == path


def test_only_a_mapping_has_a_mappings_name_and_only_a_loop_device_a_file(sysfs: Path) -> None:
    assert (mapping_name("253:0", sysfs), mapping_name("8:1", sysfs)) == ("data", None)
    assert backing_file("7:3", sysfs) == "/srv/image with a space"
    assert backing_file("8:1", sysfs) is None


def test_a_file_has_no_devices_number(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    try:
        with pytest.raises(DeviceError, match="needs a block device"):
            device_number(fd)
    finally:
        os.close(fd)


def test_a_loop_device_has_its_number_takes_writes_and_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    with loop_over(tmp_path / "file") as loop:
        fd = os.open(loop, os.O_RDONLY)
        try:
            found = os.fstat(fd).st_rdev
            assert device_number(fd) == f"{os.major(found)}:{os.minor(found)}"
            assert not is_readonly(fd)
        finally:
            os.close(fd)
        assert name_of(str(loop)) == str(loop)


def test_a_mapping_is_meant_by_its_name_and_by_its_path(tmp_path: Path) -> None:
    assert name_of("data") == "data"
    assert name_of("/dev/mapper/data") == "data"
    assert name_of(str(tmp_path / "absent")) == str(tmp_path / "absent")
    assert name_of("/a\0b") == "/a\0b"


@pytest.mark.parametrize("name", ["", ".", "..", "control", "a/b", "x" * 128, "a\0b"])
def test_a_name_that_no_mapping_can_have_is_refused(name: str) -> None:
    with pytest.raises(MappingError, match=r"invalid|Cannot use device"):
        check_name(name)


def test_a_name_of_127_bytes_is_one() -> None:
    check_name("x" * 127)


def _answering(folder: Path, body: str) -> DeviceMapper:
    program = folder / "answers"
    program.write_text(ANSWER.format(body=body))
    program.chmod(0o755)
    return DeviceMapper(str(program))


def test_a_dmsetup_that_does_not_run_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DeviceMapperError, match="does not run: No such file or directory"):
        DeviceMapper(str(tmp_path / "gone")).info("data")


@pytest.mark.parametrize("said", ["", "uuid|many|L--w|253|0", "a|b"])
def test_an_answer_that_cannot_be_understood_is_no_answer(tmp_path: Path, said: str) -> None:
    with pytest.raises(MappingError, match="cannot be understood"):
        _answering(tmp_path, f"echo '{said}'").info("data")


def test_a_refusal_is_told_in_dmsetups_words_or_by_its_code(tmp_path: Path) -> None:
    failing = _answering(
        tmp_path, "echo 'ioctl failed: Invalid argument' >&2; echo 'Command failed.' >&2; exit 1"
    )
    for call in (failing.info, failing.table, failing.remove, failing.cancel_deferred):
        with pytest.raises(MappingError) as caught:
            call("data")
        assert str(caught.value) == "ioctl failed: Invalid argument"
    with pytest.raises(MappingError, match="dmsetup ended with 3 and no word"):
        _answering(tmp_path, "exit 3").remove("data", deferred=True)


def test_a_mapping_that_is_not_there_has_no_table(tmp_path: Path) -> None:
    mapper = FakeDmsetup.made(tmp_path).mapper
    assert mapper.info("data") is None
    with pytest.raises(InactiveError):
        mapper.table("data")


def test_a_name_in_use_is_busy(tmp_path: Path) -> None:
    mapper = _answering(tmp_path, "echo 'create ioctl on x failed: Device or resource busy' >&2; exit 1")
    with pytest.raises(BusyError):
        mapper.create("data", "CRYPT-x", "0 1 crypt")


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmsetup, "running_as_root", lambda: False)
    with pytest.raises(DeviceMapperError, match="running as non-root user"):
        DeviceMapper.find("/usr/sbin")
