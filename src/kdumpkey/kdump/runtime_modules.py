"""The modules that kdumpkey may ever import, found by importing them and reading what their functions import.

Run as a program, which is how it is used for all that it imports, it prints a JSON list of [name, file].
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Final

PROGRAM: Final = "kdumpkey"
# What talks with a person at a terminal, tests or debugs: functions of the standard library name it all over.
_FOR_PEOPLE: Final = frozenset(
    (
        *("antigravity", "bdb", "cmd", "code", "codeop", "curses", "doctest", "ensurepip", "idlelib"),
        *("lib2to3", "pdb", "pydoc", "pydoc_data", "readline", "rlcompleter", "test", "this", "tkinter"),
        *("turtle", "turtledemo", "unittest", "venv", "webbrowser"),
    )
)


def runtime_modules() -> list[tuple[str, str]]:
    """Name and file of each module: kdumpkey's, those that it requires, and of the standard library.

    A module's function may import what the module itself did not: so all sources are read, and what they
    name is imported too, until nothing new appears. Of other distributions those that kdumpkey requires
    count, with the modules that were imported.
    """
    package = importlib.import_module(PROGRAM)
    for found in pkgutil.walk_packages(package.__path__, f"{PROGRAM}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    required = _required()
    read: set[str] = set()
    while unread := {name: module for name, module in sys.modules.items() if name not in read}:
        read |= set(unread)
        for name, module in unread.items():
            ours = name.partition(".")[0] == PROGRAM
            for named in {named for file in files_of(name, module) for named in _imports(file)}:
                top = named.partition(".")[0]
                if (_is_standard(top) and top not in _FOR_PEOPLE) or (ours and top in required):
                    _try(named)
    wanted = required | {PROGRAM}
    return [
        (name, file)
        for name, module in sorted(sys.modules.items())
        if name != "__main__" and ((top := name.partition(".")[0]) in wanted or _is_standard(top))
        for file in files_of(name, module)
    ]


def files_of(name: str, module: ModuleType) -> list[str]:
    """The files that importing a name may need: the module's own, and the one that is found by the name.

    The two differ where importing a file puts another module under its name. collections.abc of some
    releases of Python is such a file: it puts _collections_abc there, whose own file is another one.
    """
    files = {getattr(module, "__file__", None)}
    above, _, _ = name.rpartition(".")
    # os.path and the like are in no package: the module above put them there, and no file has that name.
    folders = getattr(sys.modules.get(above), "__path__", None)
    if not above or folders is not None:
        found = PathFinder.find_spec(name, folders)
        files.add(found.origin if found is not None and found.has_location else None)
    return sorted(file for file in files if file is not None)


def _is_standard(top: str) -> bool:
    return top in sys.stdlib_module_names


def _required() -> set[str]:
    """The packages of the distributions that kdumpkey requires, and that those require, and so on."""
    wanted: set[str] = set()
    unseen = [PROGRAM]
    while unseen:
        name = unseen.pop()
        if name in wanted:
            continue
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system, or this is no installed kdumpkey
        wanted.add(name)
        # An extra is asked for by whoever wants it; nobody did.
        unseen += [
            re.sub(r"[-_.]+", "-", matched[0]).lower()
            for line in lines
            if "extra ==" not in line and (matched := re.match(r"[A-Za-z0-9._-]+", line))
        ]
    tops = metadata.packages_distributions()
    return {
        top
        for top, owners in tops.items()
        if wanted & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners}
    }


def _imports(file: str) -> Iterator[str]:
    """What a source file names after import and from, wherever it stands, but for relative imports."""
    if not file.endswith(".py"):
        return
    with open(file, "rb") as source:
        tree = ast.parse(source.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _try(name: str) -> None:
    if name in sys.modules:
        return
    # It may be a name in a module rather than a module, or for another system.
    with suppress(ImportError, AttributeError, OSError):
        importlib.import_module(name)


if __name__ == "__main__":
    json.dump(runtime_modules(), sys.stdout)
