"""Make the lab's initramfs: busybox, Python, kdumpkey and what they link to. Both kernels boot it.

Usage: initramfs.py OUTPUT, run by the Python whose packages go in.
"""

from __future__ import annotations

import compileall
import gzip
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = (
    "typer",
    "click",
    "rich",
    "annotated_doc",
    "shellingham",
    "typing_extensions.py",
    "cryptography",
    "argon2",
    "_argon2_cffi_bindings",
    "cffi",
)
# What the standard library has that no command line needs: a third of its size.
LEFT_OUT = (
    *("test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "site-packages", "__pycache__"),
    *("_tkinter*", "_sqlite3*", "sqlite3", "_test*", "pydoc*", "_curses*", "readline*", "config-*"),
)
APPLETS = [
    "sh",
    "mount",
    "mkdir",
    "cat",
    "echo",
    "tar",
    "sleep",
    "sha256sum",
    "reboot",
    "poweroff",
    "ls",
    "dd",
    "mknod",
    "sync",
    "uname",
    "grep",
]


def copied(source: Path, root: Path) -> None:
    """Copy a file or directory to the same path below `root`, links followed."""
    target = root / source.relative_to("/")
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.a", "tests", "test"))
    else:
        shutil.copy(source, target)


def libraries(path: Path) -> set[Path]:
    """The shared libraries that a program or extension is linked to, and its loader."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return {Path(found) for found in re.findall(r"(/\S+\.so\S*)", done.stdout)}


def build(output: Path) -> None:
    """Make the archive."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("proc", "sys", "dev", "run", "tmp", "payload", "bin"):
            (root / name).mkdir()
        busybox = shutil.which("busybox")
        if busybox is None:
            raise SystemExit("lab: busybox is missing (Debian: busybox-static)")
        shutil.copy(busybox, root / "bin/busybox")
        for applet in APPLETS:
            (root / "bin" / applet).symlink_to("busybox")
        python = Path(sys.executable).resolve()
        copied(python, root)
        (root / "bin/python3").symlink_to(python)
        standard = Path(sysconfig.get_path("stdlib"))
        target = root / standard.relative_to("/")
        shutil.copytree(standard, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
        site = root / "site"
        site.mkdir()
        installed = Path(sysconfig.get_path("purelib"))
        for package in PACKAGES:
            found = installed / package
            if found.is_dir():
                shutil.copytree(found, site / package)
            elif found.exists():
                shutil.copy(found, site)
        for extension in installed.glob("_cffi_backend*.so"):
            shutil.copy(extension, site)
        shutil.copytree(HERE.parent / "src/kdumpkey", site / "kdumpkey")
        for binary in [python, *target.rglob("*.so"), *site.rglob("*.so")]:
            for library in libraries(binary):
                copied(library, root)
        # Bytecode alone: a first import without it takes seconds under emulation, and sources take memory.
        for home in (target, site):
            compileall.compile_dir(str(home), quiet=1, stripdir=folder, legacy=True)
            for source in home.rglob("*.py"):
                source.unlink()
        subprocess.run(["strip", "--strip-unneeded", *root.rglob("*.so*")], check=False, capture_output=True)
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        archive = subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"],
            input=names.encode(),
            cwd=root,
            capture_output=True,
            check=True,
        )
        output.write_bytes(gzip.compress(archive.stdout, 6, mtime=0))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
