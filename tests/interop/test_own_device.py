"""What is read is never overwritten by what is made of it, by whatever name the two are given."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from both import ours, run
from kdumpkey.storage.extent import share_bytes
from loops import loop_over
from tools import require_tool, unavailable

MIB = 1 << 20
Named = Callable[[Path], AbstractContextManager[tuple[Path, Path]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A LUKS2 image of 24 MiB with a token, that ``pass`` opens."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "key").write_text("pass")
    image = folder / "image"
    image.write_bytes(bytes(24 * MIB))
    cheap = ["-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    cryptsetup = require_tool("cryptsetup")
    assert run([cryptsetup, "luksFormat", *cheap, image, folder / "key"]).code == 0
    assert run([cryptsetup, "token", "add", "--key-description", "a:b", image]).code == 0
    return image.read_bytes()


@pytest.fixture
def image(tmp_path: Path, made: bytes) -> Path:
    (tmp_path / "key").write_text("pass")
    path = tmp_path / "image"
    path.write_bytes(made)
    return path


@contextmanager
def file_and_loop(image: Path) -> Iterator[tuple[Path, Path]]:
    with loop_over(image) as device:
        yield image, device


@contextmanager
def loop_and_file(image: Path) -> Iterator[tuple[Path, Path]]:
    with loop_over(image) as device:
        yield device, image


@contextmanager
def two_loops(image: Path) -> Iterator[tuple[Path, Path]]:
    with loop_over(image) as one, loop_over(image) as other:
        yield one, other


@contextmanager
def two_nodes(image: Path) -> Iterator[tuple[Path, Path]]:
    with loop_over(image) as device:
        node = image.with_name("node")
        try:
            os.mknod(node, stat.S_IFBLK | 0o600, device.stat().st_rdev)
            node.open("rb").close()
        except OSError as error:
            unavailable(f"no device node can be made: {error}")
        yield device, node


@contextmanager
def two_links(image: Path) -> Iterator[tuple[Path, Path]]:
    os.link(image, image.with_name("link"))
    yield image, image.with_name("link")


NAMES = pytest.mark.parametrize("named", [file_and_loop, loop_and_file, two_loops, two_nodes, two_links])


@NAMES
def test_a_volume_is_not_decrypted_onto_itself(image: Path, made: bytes, named: Named) -> None:
    with named(image) as (source, output):
        result = ours(["unlock", source, "-d", image.with_name("key"), "--to", output, "--force"])
    assert (result.code, result.out) == (1, "")
    assert f"{output} is, or holds, what is being read" in result.err
    assert image.read_bytes() == made


@NAMES
def test_a_volume_is_not_decrypted_to_a_standard_output_that_is_itself(
    image: Path, made: bytes, named: Named
) -> None:
    with named(image) as (source, output), output.open("r+b") as stdout:
        words = [
            sys.executable,
            "-m",
            "kdumpkey",
            "unlock",
            source,
            "-d",
            image.with_name("key"),
            "--to",
            "-",
        ]
        done = subprocess.run(words, stdout=stdout, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"Standard output is what is being decrypted" in done.stderr
    assert image.read_bytes() == made


@NAMES
def test_a_volume_is_not_encrypted_from_itself(image: Path, made: bytes, named: Named) -> None:
    with named(image) as (source, device):
        result = ours(["encrypt", "-q", source, device, "-d", image.with_name("key")])
        with source.open("rb") as stdin:
            words = [sys.executable, "-m", "kdumpkey", "encrypt", "-q", "-", device]
            words += ["-d", image.with_name("key")]
            piped = subprocess.run(words, stdin=stdin, capture_output=True, check=False)
    assert (result.code, piped.returncode) == (1, 1)
    assert "is the device itself, or has bytes of it" in result.err
    assert b"is the device itself, or has bytes of it" in piped.stderr
    assert image.read_bytes() == made


@pytest.mark.parametrize("named", [file_and_loop, loop_and_file, two_links])
def test_a_token_is_not_exported_over_its_device(image: Path, made: bytes, named: Named) -> None:
    with named(image) as (device, output):
        assert ours(["token", "export", device, "--token-id", "0", "--json-file", output]).code == 1
    assert image.read_bytes() == made


def test_a_token_of_a_detached_header_is_not_exported_over_its_data(image: Path) -> None:
    data = image.with_name("data")
    data.write_bytes(b"d" * MIB)
    words = ["token", "export", data, "--header", image, "--token-id", "0", "--json-file"]
    assert ours([*words, data]).code == 1
    assert data.read_bytes() == b"d" * MIB
    assert ours([*words, image.with_name("out")]).code == 0


def test_a_volume_may_be_decrypted_to_another_loop_device(image: Path) -> None:
    other = image.with_name("other")
    other.write_bytes(bytes(24 * MIB))
    with loop_over(image) as source, loop_over(other) as output:
        result = ours(["unlock", source, "-d", image.with_name("key"), "--to", output, "--force"])
    assert (result.code, result.err) == (0, "")


def test_a_mapping_shares_bytes_with_the_device_it_is_over_and_with_no_other(
    image: Path, tmp_path: Path
) -> None:
    other = image.with_name("other")
    other.write_bytes(bytes(MIB))
    with loop_over(image) as low, loop_over(other) as high, low.open("rb") as one, high.open("rb") as two:
        numbers = [f"{os.major(each.stat().st_rdev)}:{os.minor(each.stat().st_rdev)}" for each in (low, high)]
        slave = tmp_path / "sys" / numbers[1] / "slaves" / "loop"
        slave.mkdir(parents=True)
        (slave / "dev").write_text(f"{numbers[0]}\n")
        (slave / "size").write_text("1\n")
        assert not share_bytes(one.fileno(), two.fileno())
        with image.with_name("key").open("rb") as apart:
            assert not share_bytes(two.fileno(), apart.fileno(), tmp_path / "sys")
        assert share_bytes(one.fileno(), two.fileno(), tmp_path / "sys")
        assert share_bytes(two.fileno(), one.fileno(), tmp_path / "sys")
