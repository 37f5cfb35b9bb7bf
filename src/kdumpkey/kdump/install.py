"""Putting kdumpkey-capture, its Python and the libraries of both into an initramfs that is being made."""

from __future__ import annotations

import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kdumpkey.crypto import hashes
from kdumpkey.errors import KdumpkeyError, OutputError, UsageError
from kdumpkey.kdump.runtime_modules import ENTRY, runtime_modules
from kdumpkey.luks import read_header
from kdumpkey.luks.model import Luks2Header
from kdumpkey.storage.device import open_readonly
from kdumpkey.storage.publish import write_file

PACKAGES: Final = Path("/usr/lib/kdumpkey")
PROGRAM: Final = Path("/usr/bin/kdumpkey-capture")
# Which devices the initramfs opens, and where the kernel lists this machine's.
_DEVICES: Final = Path("etc/kdumpkey/devices")
_BY_UUID: Final = Path("/dev/disk/by-uuid")
# Isolated, and without site: nothing but the standard library and what lies beside kdumpkey is ever imported.
_LAUNCHER: Final = """\
#!{python} -IS
import sys
sys.path.insert(0, {packages!r})
from {entry} import entry_point
entry_point()
"""
_LONGEST_LINE: Final = 127  # bytes of a #! line that any kernel still reads whole


@dataclass(frozen=True)
class Installed:
    """How much was put there; `tried`: whether it was then run there, for which one has to be root."""

    files: int
    nbytes: int
    tried: bool


def install(destination: Path) -> Installed:
    """Put all that kdumpkey-capture needs below a directory, at the paths where it is looked for; and try it.

    Python and the standard library go where they are on this machine, kdumpkey to /usr/lib/kdumpkey, the
    program to /usr/bin. Bytecode goes alone: it starts faster, and takes less of a kdump kernel's memory.
    OpenSSL goes along only where a device that the initramfs opens has a hash of OpenSSL's.

    Args:
        destination: A root file system that is being made, such as dracut's $initdir.

    Raises:
        UsageError: It is not a directory, or this very system's root.
        OutputError: Something cannot be written there, or the program does not run there.
    """
    if not destination.is_dir():
        raise UsageError(f"{destination} is not a directory.")
    if destination.samefile("/"):
        raise UsageError("This is the root of the running system, not of one that is being made.")
    root = _Root(destination.resolve())
    python = Path(sys.executable).resolve()
    if len(f"#!{python} -IS\n".encode()) > _LONGEST_LINE or re.search(r"\s", str(python)):
        raise UsageError(f"No #! line can name {python}: its path is too long, or has a blank in it.")
    try:
        root.copy(python, python)
        for source, target in sorted(_files(python, openssl=_wants_openssl(root.path)).items()):
            root.copy(source, target)
        root.strip()
        text = _LAUNCHER.format(python=python, packages=str(PACKAGES), entry=ENTRY)
        root.write(PROGRAM, text.encode(), 0o755)
        tried = _try(root.path)
    except (OSError, py_compile.PyCompileError) as error:
        raise OutputError(f"Cannot put kdumpkey below {destination}: {error}.") from error
    return Installed(len(root.made), root.nbytes, tried)


def _wants_openssl(root: Path) -> bool:
    """Whether one of the devices that an initramfs opens needs a hash of OpenSSL's, or cannot be asked."""
    try:
        lines = (root / _DEVICES).read_text().splitlines()
    except FileNotFoundError:
        return False
    devices = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return not all(_is_in_engine(_BY_UUID / uuid) for uuid in devices)


def _is_in_engine(device: Path) -> bool:
    try:
        with open_readonly(device) as reader:
            header = read_header(reader)
    except KdumpkeyError:
        return False
    names = [digest.hash for digest in header.digests.values()]
    if isinstance(header, Luks2Header):
        names.append(header.checksum_alg)
    return all(map(hashes.in_engine, names))


def _files(python: Path, *, openssl: bool) -> dict[Path, Path]:
    """Each file that is needed, and where it goes; sources go where their bytecode is to be."""
    standard = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    files: dict[Path, Path] = {}
    for name, file in runtime_modules(openssl=openssl):
        path = file.resolve()
        if name.partition(".")[0] in sys.stdlib_module_names:
            if any(path.is_relative_to(folder) for folder in standard):
                files[path] = path
        elif name != "__main__":
            folder = PACKAGES.joinpath(*name.split(".")[: None if path.stem == "__init__" else -1])
            files[path] = folder / path.name
    for binary in [python, *(path for path in files if path.suffix == ".so")]:
        files |= {library: library for library in _libraries(binary)}
    return files


def _libraries(binary: Path) -> list[Path]:
    """The shared libraries that a program or an extension is linked to, and the loader."""
    done = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise OutputError(f"{binary} lacks libraries on this system: {done.stdout.strip()}.")
    return [Path(found) for found in re.findall(r"(?:^|\s)(/\S+)(?= \(0x)", done.stdout)]


def _try(root: Path) -> bool:
    """Run the program there, as the kdump kernel will; False: only root may."""
    if os.geteuid() != 0:
        return False

    def enter() -> None:
        os.chroot(root)
        os.chdir("/")

    try:
        done = subprocess.run(
            [PROGRAM, "--version"],
            preexec_fn=enter,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise OutputError(f"{PROGRAM.name} does not run below {root}: {error}.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise OutputError(f"{PROGRAM.name} does not run below {root}: {said}")
    return True


@dataclass
class _Root:
    """A root file system that is being made; paths are absolute, and links in it lead nowhere outside."""

    path: Path
    made: list[Path] = field(default_factory=list)
    built: list[Path] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """The size of what was put there."""
        return sum(path.stat().st_size for path in self.made)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file, or compile it where it is a module's source; a link's target comes along."""
        if source.suffix == ".py":
            compiled = self._new(target.with_suffix(".pyc"))
            if compiled is not None:
                py_compile.compile(
                    str(source),
                    str(compiled),
                    str(target),
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
                compiled.chmod(0o644)
                self.made.append(compiled)
            return
        if source == target and source.is_symlink():
            end = source.resolve()
            self.copy(end, end)
            link = self._new(target)
            if link is not None:
                made = self._folder(end.parent) / end.name
                link.symlink_to(os.path.relpath(made, link.parent))
            return
        made_file = self._new(target)
        if made_file is not None:
            shutil.copyfile(source, made_file)
            made_file.chmod(0o755)
            self.made.append(made_file)
            if not source.resolve().is_relative_to("/usr") or source.is_relative_to("/usr/local"):
                self.built.append(made_file)

    def write(self, target: Path, data: bytes, mode: int) -> None:
        """Write a file, in place of one that is there."""
        path = self._folder(target.parent) / target.name
        path.unlink(missing_ok=True)
        write_file(path, data, mode=mode)
        self.made.append(path)

    def strip(self) -> None:
        """Take the symbols that nothing links to out of what was built here; a distribution has done so."""
        program = shutil.which("strip")
        if program is not None and self.built:
            subprocess.run([program, "--strip-unneeded", *self.built], capture_output=True, check=False)

    def _new(self, target: Path) -> Path | None:
        """Where a file goes; None: there is one already, which whoever makes this root put there."""
        path = self._folder(target.parent) / target.name
        return None if path.is_symlink() or path.exists() else path

    def _folder(self, path: Path) -> Path:
        """The directory by an absolute path, made if need be: as a link where this machine has a link."""
        if path == path.parent:
            return self.path
        above = self._folder(path.parent)
        here = above / path.name
        inside = Path("/") / above.relative_to(self.path)
        if here.is_symlink():
            return self._folder(Path(os.path.normpath(inside / os.readlink(here))))
        if not here.is_dir():
            if path.is_symlink():
                end = self._folder(Path(os.path.normpath(path.parent / os.readlink(path))))
                here.symlink_to(os.path.relpath(end, above))
                return end
            here.mkdir()
        return here
