"""The public interface: a dozen names, lazily imported, enough to read a volume."""

import gzip
import io
import lzma
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

import kdumpkey
from forked import in_child

pytestmark = pytest.mark.every_python

IMAGE = Path(__file__).parent.parent / "images" / "luks2.img.xz"


def test_every_public_name_can_be_imported_and_has_a_docstring() -> None:
    for name in kdumpkey.__all__:
        assert getattr(kdumpkey, name).__doc__


def test_what_is_declared_to_type_checkers_is_what_is_imported() -> None:
    source = Path(kdumpkey.__file__).read_text(encoding="utf-8")
    declared = source.split("if TYPE_CHECKING:")[1].split("__version__")[0]
    for name in kdumpkey.__all__:
        home = kdumpkey._HOMES[name]
        block = declared.split(f"from {home} import")[1].split("from kdumpkey")[0]
        assert name in block


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = "import kdumpkey, sys; print([m for m in sys.modules if m.startswith('kdumpkey.')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_bitlocker'"):
        kdumpkey.open_bitlocker  # type: ignore[attr-defined]  # noqa: B018


def test_a_volume_is_read_with_the_public_names_alone(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(lzma.decompress(IMAGE.read_bytes()))
    with (
        kdumpkey.open_luks(image) as luks,
        luks.unlock(b"correct horse battery staple") as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        assert isinstance(luks.header, kdumpkey.LuksHeader)
        assert isinstance(volume, kdumpkey.Volume)
        with io.BufferedReader(volume.raw()) as plaintext:
            assert plaintext.read(8) == b"kdumpkey"
            plaintext.seek(-8, io.SEEK_END)
            assert plaintext.read() == b"the end\n"
    with kdumpkey.open_luks(image) as luks, pytest.raises(kdumpkey.WrongKeyError):
        luks.unlock(b"wrong")


# -- what the API promises

PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(lzma.decompress(IMAGE.read_bytes()))
    return path


def first_bytes(luks: kdumpkey.LuksDevice) -> bytes:
    with luks.unlock(PASSPHRASE) as opened, luks.volume(opened.volume_key) as volume:
        found = bytearray(8)
        volume.read_into(found, 0)
        return bytes(found)


def test_every_error_that_a_public_docstring_names_is_public() -> None:
    named = set()
    for name in kdumpkey.__all__:
        thing = getattr(kdumpkey, name)
        for each in (thing, *vars(thing).values()) if isinstance(thing, type) else (thing,):
            named |= set(re.findall(r"\b[A-Z]\w+Error\b", getattr(each, "__doc__", None) or ""))
    assert {"RequirementsError", "BusyError", "OverlapError", "TierError"} <= named
    assert named - {"ValueError", "OSError"} <= set(kdumpkey.__all__)


def test_every_type_that_a_public_call_returns_is_public(image: Path) -> None:
    with (
        kdumpkey.open_luks(image) as luks,
        luks.unlock(PASSPHRASE) as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        returned = [luks, luks.device, luks.header, opened, opened.volume_key, volume, volume.raw()]
        returned += [*volume.segments, *luks.header.keyslots.values(), *luks.header.segments.values()]
        returned += [*luks.header.digests.values(), *luks.header.tokens.values(), *luks.header.copies]
        for each in returned:
            assert getattr(kdumpkey, type(each).__name__) is type(each)


def opened_file(path: Path) -> BinaryIO:
    return path.open("rb")


def unbuffered(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)  # type: ignore[return-value]


def in_memory(path: Path) -> BinaryIO:
    return io.BytesIO(path.read_bytes())


def compressed(path: Path) -> BinaryIO:
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    return gzip.open(packed)  # type: ignore[return-value]


FILE_OBJECTS = pytest.mark.parametrize("made", [opened_file, unbuffered, in_memory, compressed])


@FILE_OBJECTS
def test_a_binary_file_object_is_opened_and_stays_open(made: Callable[[Path], BinaryIO], image: Path) -> None:
    with made(image) as file:
        with kdumpkey.open_luks(file) as luks:
            assert first_bytes(luks) == b"kdumpkey"
            with pytest.raises(kdumpkey.DeviceError):
                luks.device.fileno()
        assert not file.closed
        with pytest.raises(kdumpkey.UsageError, match="only read"):
            kdumpkey.open_luks(file, writable=True)


@FILE_OBJECTS
def test_a_volume_may_begin_behind_the_beginning(
    made: Callable[[Path], BinaryIO], image: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"partition table".ljust(1 << 20) + image.read_bytes())
    with made(disk) as file, kdumpkey.open_luks(file, offset=1 << 20) as luks:
        assert first_bytes(luks) == b"kdumpkey"
    with kdumpkey.open_luks(disk, offset=1 << 20) as luks:
        assert first_bytes(luks) == b"kdumpkey"
    with pytest.raises(kdumpkey.NotLuksError):
        kdumpkey.open_luks(disk)
    for offset in (-1, disk.stat().st_size + 1):
        with pytest.raises(kdumpkey.DeviceError, match="is not in it"):
            kdumpkey.open_luks(disk, offset=offset)


def test_what_lies_before_a_volume_that_is_written_stays(image: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"x" * 4096 + image.read_bytes())
    before = disk.read_bytes()
    with (
        kdumpkey.open_luks(disk, offset=4096, writable=True) as luks,
        luks.unlock(PASSPHRASE) as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        volume.write(b"KDUMPKEY", 0)
    after = disk.read_bytes()
    data = 4096 + luks.header.data_offset
    assert after[:data] == before[:data]
    assert after[data:] != before[data:]
    with kdumpkey.open_luks(disk, offset=4096) as luks:
        assert first_bytes(luks) == b"KDUMPKEY"


def test_a_detached_header_may_be_a_file_object(image: Path, tmp_path: Path) -> None:
    with kdumpkey.open_luks(image) as luks:
        end = luks.header.data_offset
    (tmp_path / "other").write_bytes(image.read_bytes())
    header = io.BytesIO(image.read_bytes()[:end])
    with kdumpkey.open_luks(tmp_path / "other", header=header) as luks:
        assert first_bytes(luks) == b"kdumpkey"
    with io.BytesIO(image.read_bytes()) as both, kdumpkey.open_luks(both, header=both) as luks:
        assert first_bytes(luks) == b"kdumpkey"


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("file", [Pipe(b"x" * 4096), io.BytesIO(b"")])
def test_a_file_object_that_cannot_be_used_is_an_error(file: BinaryIO) -> None:
    with pytest.raises(kdumpkey.KdumpkeyError):
        kdumpkey.open_luks(file)


def test_a_damaged_archive_is_an_error_of_the_device(image: Path) -> None:
    packed = gzip.compress(image.read_bytes(), 1)
    with gzip.open(io.BytesIO(packed[: len(packed) // 2])) as file, pytest.raises(kdumpkey.DeviceError):
        kdumpkey.open_luks(file)  # type: ignore[arg-type]


def test_what_is_shown_is_one_line_without_salts(image: Path) -> None:
    with (
        kdumpkey.open_luks(image) as luks,
        luks.unlock(PASSPHRASE) as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        header = luks.header
        things = [luks, luks.device, header, opened, volume, *header.keyslots.values()]
        things += [*header.digests.values(), *header.segments.values(), *header.copies]
        for each in things:
            shown = repr(each)
            assert "\n" not in shown
            assert len(shown) < 500
            assert "salt" not in shown
            assert "\\x" not in shown
        assert header.uuid in repr(header)
        assert "disk.img" in repr(luks)


def test_a_child_that_has_the_key_reopens_its_volume(image: Path) -> None:
    with (
        kdumpkey.open_luks(image) as luks,
        luks.unlock(PASSPHRASE) as opened,
        luks.volume(opened.volume_key) as volume,
    ):
        reading, writing = os.pipe()
        with memoryview(opened.volume_key) as key:
            os.write(writing, key)
        os.close(writing)

        def child() -> None:
            found = bytearray(8)
            with pytest.raises(ValueError, match="forked child"):
                volume.read_into(found, 0)
            with kdumpkey.SecretBuffer(64) as mine, memoryview(mine) as view:
                assert os.readv(reading, [view]) == 64
                with volume.reopen(mine) as again:
                    again.read_into(found, 0)
            assert found == b"kdumpkey"

        in_child(child)
        os.close(reading)


def test_the_page_of_the_interface_documents_every_public_name_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\.\. auto(?:function|class|data|exception):: (\w+)$", page, re.M)
    assert sorted(documented) == sorted(kdumpkey.__all__)
