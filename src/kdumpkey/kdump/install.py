"""Puts kdumpkey, its Python and the libraries of both into an initramfs that is being built."""

from __future__ import annotations

import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kdumpkey.errors import OutputError, ResourceError, UsageError
from kdumpkey.interpreter import PYTHON
from kdumpkey.kdump import runtime_modules
from kdumpkey.storage.publish import write_file

PACKAGES: Final = Path("/usr/lib/kdumpkey")
PROGRAM: Final = Path("/usr/bin/kdumpkey")
CAPTURE_PROGRAM: Final = Path("/usr/bin/kdumpkey-capture")
_ENTRIES: Final = {PROGRAM: "kdumpkey.cli", CAPTURE_PROGRAM: "kdumpkey.capture"}
# Isolated, and without site: nothing but the standard library and what lies beside kdumpkey is ever imported.
_LAUNCHER: Final = """\
#!{python} -IS
import sys
sys.path.insert(0, {packages!r})
from {module} import entry_point
entry_point()
"""
_LONGEST_LINE: Final = 127  # bytes of a #! line that any kernel still reads whole


@dataclass(frozen=True)
class Installation:
    """How much was installed; `tried`: whether it was then run there, which only root can do."""

    files: int
    nbytes: int
    tried: bool


def install(destination: Path) -> Installation:
    """Install all that kdumpkey needs below a directory, at the paths that it will have there; and try it.

    Python and the standard library keep the paths that they have on this machine, packages go to
    /usr/lib/kdumpkey, and the programs to /usr/bin. Only bytecode is installed, because it starts faster and
    takes less of a kdump kernel's memory.

    Args:
        destination: A root file system that is being built, such as dracut's $initdir.

    Raises:
        UsageError: It is not a directory, or this very system's root.
        OutputError: Something cannot be written there, or the program does not run there.
    """
    if not destination.is_dir():
        raise UsageError(f"{destination} is not a directory.")
    if destination.samefile("/"):
        raise UsageError(f"{destination} is the root of the running system, not of one that is being built.")
    root = _Root(destination.resolve())
    python = Path(sys.executable).resolve()
    if len(f"#!{python} -IS\n".encode()) > _LONGEST_LINE or re.search(r"\s", str(python)):
        raise UsageError(f"No #! line can name {python}: its path is too long, or contains a blank.")
    try:
        root.copy(python, python)
        for source, target in sorted(_files(python).items()):
            root.copy(source, target)
        root.strip()
        for program, module in _ENTRIES.items():
            text = _LAUNCHER.format(python=python, packages=str(PACKAGES), module=module)
            root.write(program, text.encode(), 0o755)
        tried = _try(root.path)
    except (OSError, py_compile.PyCompileError) as error:
        raise OutputError(f"Cannot put kdumpkey below {destination}: {error}.") from error
    return Installation(len(root.made), root.nbytes, tried)


def _files(python: Path) -> dict[Path, Path]:
    """Each file that is needed, and where it goes; sources go where their bytecode is to be."""
    files, folders = _module_files(_modules())
    for folder, target in folders.items():
        for path in _code(folder):
            files[path] = target / path.relative_to(folder)
    for binary in [python, *(path for path in files if path.suffix == ".so")]:
        for library in _libraries(binary):
            goes_to = _library_target(library, folders)
            if goes_to is not None:
                files[library if goes_to == library else library.resolve()] = goes_to
    return files


def _modules() -> list[tuple[str, Path]]:
    """Name and file of each module, found by a process of its own, which imports them all."""
    done = subprocess.run(
        [*PYTHON, "-W", "ignore", "-m", runtime_modules.__name__],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise ResourceError(f"The modules cannot be listed: {done.stderr.strip()}")
    return [(name, Path(file).resolve()) for name, file in json.loads(done.stdout)]


def _module_files(modules: list[tuple[str, Path]]) -> tuple[dict[Path, Path], dict[Path, Path]]:
    """Where each module of the standard library, each single module and each package's directory goes."""
    standard = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    files: dict[Path, Path] = {}
    folders: dict[Path, Path] = {}
    for name, path in modules:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            if any(path.is_relative_to(folder) for folder in standard):
                files[path] = path
        elif name == top and path.name.startswith("__init__."):
            folders[path.parent] = PACKAGES / top
        elif name == top:
            files[path] = PACKAGES / path.name
    return files, folders


def _library_target(library: Path, folders: dict[Path, Path]) -> Path | None:
    """Where a shared library goes; None: its package's directory goes as a whole.

    A library that is installed beside its package is found by its path from there, so it stays beside it.
    """
    end = library.resolve()
    beside = next((folder for folder in folders if end.is_relative_to(folder.parent)), None)
    if beside is None:
        return library
    if any(library.is_relative_to(folder) for folder in folders):
        return None
    return PACKAGES / end.relative_to(beside.parent)


def _code(folder: Path) -> Iterator[Path]:
    """The modules of a package, without its tests."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".so") and not {"tests", "test"} & set(path.relative_to(folder).parts):
            yield path


def _libraries(binary: Path) -> list[Path]:
    """The shared libraries that a program or an extension is linked to, and the loader."""
    done = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise OutputError(f"{binary} lacks libraries on this system: {done.stdout.strip()}.")
    return [Path(found) for found in re.findall(r"(?:^|\s)(/\S+)(?= \(0x)", done.stdout)]


def _try(root: Path) -> bool:
    """Run the programs there, as the kdump kernel will; False: only root may."""
    if os.geteuid() != 0:
        return False

    def enter() -> None:
        os.chroot(root)
        os.chdir("/")

    for program in _ENTRIES:
        try:
            done = subprocess.run(
                [program, "--version"],
                preexec_fn=enter,
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            raise OutputError(f"{program.name} does not run below {root}: {error}.") from error
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise OutputError(f"{program.name} does not run below {root}: {said}")
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
        """Take debugging symbols out of what was built here; what a distribution built has none."""
        program = shutil.which("strip")
        if program is not None and self.built:
            subprocess.run([program, "--strip-debug", *self.built], capture_output=True, check=False)

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
