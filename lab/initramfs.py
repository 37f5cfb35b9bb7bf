"""Make the lab's initramfs: busybox, Python, kdumpkey and what they link to. Both kernels boot it.

Usage: initramfs.py FOLDER, run by the Python whose packages go in. It makes FOLDER/initramfs.gz, all that a
kdump kernel needs, and to append FOLDER/tools.gz: cryptsetup, keyctl and makedumpfile of a newer Debian; and
FOLDER/peer.gz: typer programs that do nothing.
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
UNLOCK = HERE.parent / "src/kdumpkey/kdump/generate/scripts/unlock.sh"
sys.path.insert(0, str(HERE.parent / "tests"))
from newer_release import unpacked  # noqa: E402 (the tests' own way to a newer Debian)

PACKAGES = (
    *("typer", "click", "rich", "annotated_doc", "shellingham", "typing_extensions.py"),
    *("cryptography", "argon2", "_argon2_cffi_bindings", "cffi"),
)
# What the standard library has that no command line needs: a third of its size.
LEFT_OUT = (
    *("test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "site-packages", "__pycache__"),
    *("_tkinter*", "_sqlite3*", "sqlite3", "_test*", "pydoc*", "_curses*", "readline*", "config-*"),
)
APPLETS = (
    *(
        "sh",
        "mount",
        "umount",
        "mkdir",
        "cat",
        "echo",
        "tar",
        "sleep",
        "sha256sum",
        "reboot",
        "poweroff",
        "ls",
    ),
    *(
        "dd",
        "mknod",
        "sync",
        "uname",
        "grep",
        "awk",
        "sed",
        "dmesg",
        "kill",
        "time",
        "head",
        "tail",
        "cut",
        "cmp",
    ),
    *(
        "wc",
        "rm",
        "cp",
        "mv",
        "seq",
        "tr",
        "date",
        "test",
        "[",
        "true",
        "false",
        "env",
        "stat",
        "truncate",
        "ln",
    ),
    *(
        "timeout",
        "mkfifo",
        "sort",
        "id",
        "chmod",
        "touch",
        "free",
        "losetup",
        "find",
        "xargs",
        "od",
        "printf",
        "basename",
        "usleep",
        "readlink",
        "modprobe",
    ),
)
# typer as a whole, with what it imports: kdumpkey installs only the modules that it loads itself.
PEER_PACKAGES = ("typer", "shellingham", "annotated_doc")
PEER = {
    "bare": """import typer


def main() -> None: ...


typer.run(main)
""",
    "barest": """import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(add_help_option=False)
def main() -> None: ...


app()
""",
}
# Programs of a newer Debian's: they run through that release's own loader, from a folder of their own.
NEWER = {
    "cryptsetup": "usr/sbin/cryptsetup",
    "keyctl": "usr/bin/keyctl",
    "makedumpfile": "usr/bin/makedumpfile",
}
NEWER_PACKAGES = ("cryptsetup-bin", "keyutils", "makedumpfile")


def main(folder: Path) -> None:
    """Make the archives."""
    for name, fill in (("initramfs.gz", fill_base), ("tools.gz", fill_tools), ("peer.gz", fill_peer)):
        with tempfile.TemporaryDirectory() as made:
            fill(Path(made))
            (folder / name).write_bytes(archive(Path(made)))


def fill_base(root: Path) -> None:
    """Lay out a root file system that a kdump kernel lives in."""
    for name in ("proc", "sys", "dev", "run", "tmp", "payload", "lab", "target", "bin", "etc"):
        (root / name).mkdir()
    shutil.copy(tool("busybox", "busybox-static"), root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    dmsetup = tool("dmsetup", "dmsetup")
    shutil.copy(dmsetup, root / "bin/dmsetup")
    python = Path(sys.executable).resolve()
    copied(python, root)
    (root / "bin/python3").symlink_to(python)
    standard = Path(sysconfig.get_path("stdlib"))
    library = root / standard.relative_to("/")
    shutil.copytree(standard, library, ignore=shutil.ignore_patterns(*LEFT_OUT))
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
    for binary in [python, dmsetup, *library.rglob("*.so"), *site.rglob("*.so")]:
        for needed in libraries(binary):
            copied(needed, root)
    for home in (library, site):
        compiled(home, root)
    subprocess.run(["strip", "--strip-unneeded", *root.rglob("*.so*")], check=False, capture_output=True)
    shutil.copy(HERE / "guest/init", root / "init")
    (root / "init").chmod(0o755)


def fill_tools(root: Path) -> None:
    """Lay out what only some scenarios need: another hand at the same things, and the writer of dumps."""
    release = unpacked("lab", *NEWER_PACKAGES) / "root"
    loader = next(release.glob("usr/lib*/ld-linux*.so.*"))
    home = next(release.glob("usr/lib/*/libc.so.6")).parent
    (root / "bin").mkdir()
    target = root / "newer"
    target.mkdir()
    shutil.copy(loader, target)
    for name, path in NEWER.items():
        shutil.copy(release / path, target / name)
        script = f'#!/bin/sh\nexec /newer/{loader.name} --library-path /newer /newer/{name} "$@"\n'
        (root / "bin" / name).write_text(script)
        (root / "bin" / name).chmod(0o755)
        listed = subprocess.run(
            [loader, "--library-path", home, "--list", release / path],
            capture_output=True,
            text=True,
            check=True,
        )
        for library in re.findall(r"=> (/\S+)", listed.stdout):
            shutil.copy(library, target)


def fill_peer(root: Path) -> None:
    """Lay out the programs that kdumpkey's start is measured against, and what they need beside typer."""
    site = root / "site"
    site.mkdir()
    installed = Path(sysconfig.get_path("purelib"))
    for package in PEER_PACKAGES:
        shutil.copytree(installed / package, site / package)
    for name, text in PEER.items():
        (site / f"{name}.py").write_text(text)
    for binary in site.rglob("*.so"):
        for needed in libraries(binary):
            copied(needed, root)
    compiled(site, root)


def hook_archive(uuid: str) -> bytes:
    """What kdump generate adds to initramfs-tools' archives, to open one device as ``target``.

    /scripts/functions is what tells such an archive, and what its scripts may source.
    """
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        for name, text in (
            ("scripts/functions", "# What initramfs-tools' scripts share.\n"),
            ("scripts/local-top/kdumpkey", UNLOCK.read_text()),
            ("etc/kdumpkey/devices", f"{uuid} target\n"),
            ("bin/kdumpkey", '#!/bin/sh\nexec python3 -m kdumpkey "$@"\n'),
            ("bin/kdumpkey-capture", '#!/bin/sh\nexec python3 -m kdumpkey.capture "$@"\n'),
        ):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        return archive(root)


def compiled(home: Path, root: Path) -> None:
    """Leave bytecode alone: a first import without it takes seconds under emulation; sources take memory."""
    compileall.compile_dir(str(home), quiet=1, stripdir=str(root), legacy=True)
    for source in home.rglob("*.py"):
        source.unlink()


def archive(root: Path) -> bytes:
    """All of a folder as the kernel wants it."""
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    made = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc"],
        input=names.encode(),
        cwd=root,
        capture_output=True,
        check=True,
    )
    return gzip.compress(made.stdout, 6, mtime=0)


def tool(name: str, package: str) -> Path:
    """The path of a program of this machine's."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"lab: {name} is missing (Debian: apt-get install {package})")
    return Path(found)


def copied(source: Path, root: Path) -> None:
    """Copy a file or directory to the same path below `root`, links followed."""
    target = root / source.relative_to("/")
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def libraries(path: Path) -> set[Path]:
    """The shared libraries that a program or extension is linked to, and its loader."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return {Path(found) for found in re.findall(r"(/\S+\.so\S*)", done.stdout)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
