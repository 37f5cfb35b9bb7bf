"""The public interface: a dozen names, lazily imported, enough to read a volume."""

import io
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

import kdumpkey

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
