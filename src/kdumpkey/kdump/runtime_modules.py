"""The modules that the kdump kernel's program may ever import, of kdumpkey and of the standard library.

kdumpkey's are found by reading what its modules name, functions included. The standard library's are those
that are there once all of these were imported, in a Python that has nothing else. A module that needs another
distribution, or OpenSSL where that is left out, cannot be imported there, and is left out with what it alone
needs: kdumpkey imports such modules only for ciphers and hashes that hardly any volume has, and says so.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import kdumpkey
from kdumpkey.errors import ResourceError

ENTRY: Final = "kdumpkey.capture"
_HOME: Final = Path(kdumpkey.__file__).parent
_OPENSSL: Final = ("_hashlib", "_ssl")
# Text of the command line, of file names and of locales: Python looks these up by name.
_ENCODINGS: Final = ("encodings.ascii", "encodings.latin_1", "encodings.utf_8")
# Its arguments: where kdumpkey is, what to leave out, and the modules, each with what its functions import.
# It prints a line for each module that was imported then and each file that its name may need.
_IMPORT: Final = """
import sys
import importlib.machinery
sys.path.insert(0, sys.argv[1])
class Refuse:
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.argv[2].split() or top not in sys.stdlib_module_names and top != "kdumpkey":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse)
for names in sys.argv[3:]:
    ours, *named = names.split()
    try:
        __import__(ours)
    except ImportError:
        continue
    for name in named:
        try:
            __import__(name)
        except ImportError:  # a name in a module, or one that is handled where it is imported
            pass
find = importlib.machinery.PathFinder.find_spec
for name, module in sorted(sys.modules.items()):
    files = {getattr(module, "__file__", None)}
    above = name.rpartition(".")[0]
    folders = getattr(sys.modules.get(above), "__path__", None)
    # A file may put another module under its own name; and os.path and the like are in no package.
    if name != "__main__" and (not above or folders is not None):
        found = find(name, folders)
        files.add(found.origin if found is not None and found.has_location else None)
    for file in sorted(file for file in files if file is not None):
        print(name, file, sep="\\t")
"""


def runtime_modules(*, openssl: bool) -> list[tuple[str, Path]]:
    """Name and file of each module, those that Python itself imports when it starts included.

    Args:
        openssl: Whether hashes that only OpenSSL has are to be there.

    Raises:
        ResourceError: Python cannot be run, or fails.
    """
    named = [" ".join((name, *sorted(others))) for name, others in sorted(_named_from(ENTRY).items())]
    return imported(_HOME.parent, [*named, *_ENCODINGS], () if openssl else _OPENSSL)


def imported(home: Path, names: Sequence[str], left_out: Sequence[str] = ()) -> list[tuple[str, Path]]:
    """Import modules in a Python of their own, and list all that are there then, each with its files.

    Args:
        home: The folder that has kdumpkey.
        names: The modules; after a blank, those that are to be imported only where the first one can be.
        left_out: Modules of the standard library that are not to be found.

    Raises:
        ResourceError: Python cannot be run, or fails.
    """
    done = subprocess.run(
        [sys.executable, "-ISW", "ignore", "-c", _IMPORT, home, " ".join(left_out), *names],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise ResourceError(f"The modules cannot be listed: {done.stderr.strip()}")
    lines = (line.split("\t") for line in done.stdout.splitlines())
    return [(name, Path(file)) for name, file in lines]


def _named_from(package: str) -> dict[str, set[str]]:
    """kdumpkey's own modules that a package may import, each with what it names of other packages."""
    unread, read = [package], {}
    while unread:
        name = unread.pop()
        if name in read or not _is_ours(name):
            continue
        if above := name.rpartition(".")[0]:
            unread.append(above)
        named = set(_imports(_file_of(name)))
        own = {each for each in named if each.partition(".")[0] == _HOME.name}
        unread += own
        read[name] = named - own
    return read


def _is_ours(name: str) -> bool:
    """Whether a name that was imported is a module, and not a name in one."""
    path = _file_of(name)
    return path.exists() or any(path.parent.glob(f"{path.stem}.*.so"))


def _file_of(name: str) -> Path:
    path = _HOME.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")


def _imports(file: Path) -> Iterator[str]:
    """What a source file names after import and from, wherever it stands, but for types alone."""
    if file.suffix != ".py" or not file.exists():
        return
    unread: list[ast.AST] = [ast.parse(file.read_bytes())]
    while unread:
        node = unread.pop()
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=other):
                unread += other
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                unread += ast.iter_child_nodes(node)
