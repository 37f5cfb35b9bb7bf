"""Images that cryptsetup made once for all tests of the command line; nobody writes to them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import require_tool

CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
PASSPHRASE = b"correct horse"
OTHER = b"battery staple"
BINARY = b"\x00\xff line one\nline two\n"


@pytest.fixture(scope="session")
def cryptsetup() -> str:
    """The system's cryptsetup."""
    return require_tool("cryptsetup")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, cryptsetup: str) -> Path:
    """luks1.img and luks2.img with keyslots 0 and 1, key files, and files that are no LUKS device."""
    home = tmp_path_factory.mktemp("images")
    for name, content in {"pass": PASSPHRASE, "other": OTHER, "binary": BINARY, "wrong": b"wrong"}.items():
        (home / name).write_bytes(content)
    for number, content in {"offset": b"xxxxx" + PASSPHRASE + b"yyy", "newline": PASSPHRASE + b"\n"}.items():
        (home / number).write_bytes(content)

    def cs(*words: str) -> None:
        command = [cryptsetup, "--batch-mode", *words]
        subprocess.run(command, check=True, capture_output=True, cwd=home)

    def make(name: str, *options: str, size: int = 20 << 20) -> None:
        (home / name).touch()
        os.truncate(home / name, size)
        cs("luksFormat", *options, name, "pass")

    make("luks1.img", "--type", "luks1", "--pbkdf-force-iterations", "1000", size=3 << 20)
    make("luks2.img", "--type", "luks2", *CHEAP, "--label", "a label", "--subsystem", "a subsystem")
    for name in ("luks1.img", "luks2.img"):
        cheap = CHEAP if name == "luks2.img" else CHEAP[2:]
        cs("luksAddKey", *cheap, "--key-file", "pass", name, "other")
        cs("luksDump", "--dump-volume-key", "--key-file", "pass", "--volume-key-file", f"{name}.vk", name)
    cs("luksAddKey", *CHEAP, "--key-file", "pass", "-S", "3", "luks2.img", "binary")
    shutil.copy(home / "luks2.img", home / "unbound.img")
    add = ["luksAddKey", *CHEAP, "--unbound", "--key-size", "256", "-S", "7", "unbound.img"]
    cs(*add, "wrong")
    shutil.copy(home / "luks2.img", home / "priority.img")
    cs("config", "--priority", "ignore", "-S", "0", "priority.img")
    cs("config", "--priority", "prefer", "-S", "1", "priority.img")
    make(
        "argon.img",
        "--type",
        "luks2",
        "--pbkdf",
        "argon2id",
        "--pbkdf-force-iterations",
        "4",
        "--pbkdf-memory",
        "1024",
    )
    make("tokens.img", "--type", "luks2", *CHEAP)
    cs("token", "add", "--key-description", "kdumpkey-test:none", "tokens.img")
    (home / "data.img").write_bytes(bytes(1 << 20))
    make("data.img", "--type", "luks2", *CHEAP, "--header", "detached.hdr", size=1 << 20)
    shutil.copy(home / "luks2.img", home / "damaged.img")
    with (home / "damaged.img").open("r+b") as file:
        for offset in (300, 16384 + 300):
            file.seek(offset)
            file.write(b"damage")
    (home / "empty").touch()
    (home / "zeros").write_bytes(bytes(4 << 20))
    (home / "text").write_bytes(b"no LUKS device at all\n" * 1000)
    (home / "truncated.img").write_bytes((home / "luks2.img").read_bytes()[:20_000])
    (home / "short.img").write_bytes((home / "luks2.img").read_bytes()[: 1 << 20])
    (home / "directory").mkdir()
    for path in home.iterdir():
        path.chmod(0o500 if path.is_dir() else 0o400)
    return home
