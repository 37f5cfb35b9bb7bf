"""Run the tests that every release of Python has to pass on each interpreter that can be had.

    python tests/pythons.py [RELEASE ...]    default: the releases that pyproject.toml names

Interpreters are those on PATH and pyenv's. A release that has none here is taken from Debian's packages, and
unpacked without being installed. Each gets an environment below .venv/pythons, made from the lock file, and a
build of its own. The tests are those marked every_python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from newer_release import UnavailableError, run, unpacked

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SUITE = "forky"
# Its patchelf is 0.14; 0.18 makes programs that do not start of those that are linked to fixed addresses.
TOOL_SUITE = "bookworm"
FOR_TESTS = (
    "cython",
    "setuptools",
    "packaging",
    "pytest",
    "pytest-benchmark",
    "hypothesis",
    "cryptography_vectors",
)
PROBE = """
import json, os, platform, sys, sysconfig
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
print(json.dumps([platform.python_version(), os.path.realpath(sys.executable), headers]))
"""
# `kdump install` asks ldd, and the system's own is of another C library than this interpreter.
LDD = '#!/bin/sh\nexec "{loader}" --library-path "{libraries}" --list "$1"\n'
# It would strip this interpreter, too, for it was not installed. What patchelf changed does not survive that.
STRIP = """#!/bin/sh
for word; do
    shift
    case $word in */bin/python3*) ;; *) set -- "$@" "$word" ;; esac
done
exec "{strip}" "$@"
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python to test with.

    Attributes:
        version: All of it, such as 3.13.0.
        program: Where it is.
        beside: A folder whose bin/ and include/ programs and the compiler have to look in first for it.
        pip: Where pip's wheel is, if venv would look for that elsewhere.
    """

    version: str
    program: Path
    beside: Path | None = None
    pip: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What its processes get."""
        environment = dict(os.environ)
        if self.beside is not None:
            environment["PATH"] = f"{self.beside / 'bin'}:{environment.get('PATH', os.defpath)}"
            environment["C_INCLUDE_PATH"] = str(self.beside / "include")
        # That no tool is missing is for `make test` to see; not all of them are in these environments.
        environment.pop("KDUMPKEY_REQUIRE_TOOLS", None)
        return environment


@dataclass
class Found:
    """What there is of one release, and why there is nothing else."""

    release: str
    interpreters: list[Interpreter] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def releases() -> list[str]:
    """The releases that pyproject.toml says kdumpkey is for."""
    named = (
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in PROJECT["classifiers"]
    )
    return [each[1] for each in named if each]


def find(release: str) -> Found:
    """The interpreters of a release on this machine, or else Debian's."""
    found = Found(release)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [Path(each) for each in os.get_exec_path()] + sorted(pyenv.glob("versions/*/bin"))
    for program in (folder / f"python{release}" for folder in folders):
        interpreter = _probed(program, found) if os.access(program, os.X_OK) else None
        if interpreter and interpreter.version not in {each.version for each in found.interpreters}:
            found.interpreters.append(interpreter)
    if not found.interpreters:
        try:
            found.interpreters.append(from_debian(release))
        except UnavailableError as error:
            found.reasons.append(f"none in Debian's {SUITE}: {str(error).splitlines()[-1]}")
    return found


def _probed(program: Path, found: Found) -> Interpreter | None:
    done = subprocess.run([program, "-I", "-c", PROBE], capture_output=True, text=True, check=False)
    if done.returncode:
        return None  # such as pyenv's stand-in for a release that is not chosen
    version, real, headers = json.loads(done.stdout)
    if not headers:
        found.reasons.append(f"{real} has no headers to build with (Debian: python{found.release}-dev)")
        return None
    return Interpreter(version, Path(real))


def from_debian(release: str) -> Interpreter:
    """The release as Debian has it, made to run where it was unpacked, with the C library beside it.

    Raises:
        UnavailableError: There is no apt here, or it reaches no such package.
    """
    name = f"python{release}"
    home = unpacked(name, name, f"{name}-venv", f"{name}-dev", suite=SUITE)
    tools = unpacked("patchelf", "patchelf", suite=TOOL_SUITE) / "root"
    root = home / "root"
    program, changed = root / "usr/bin" / name, home / "changed"
    loader, libraries = _c_library(root)
    tool_loader, tool_libraries = _c_library(tools)
    command = [str(tool_loader), "--library-path", str(tool_libraries), str(tools / "usr/bin/patchelf")]
    if run(*command, "--print-interpreter", str(program)).strip() != str(loader):
        changes = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(libraries)]
        run(*command, *changes, "--output", str(changed), str(program))
        changed.replace(program)
    beside = home / "beside"
    strip = STRIP.format(strip=shutil.which("strip") or "true")
    for each in ("bin", "include"):
        (beside / each).mkdir(parents=True, exist_ok=True)
    for tool, text in (("ldd", LDD.format(loader=loader, libraries=libraries)), ("strip", strip)):
        (beside / "bin" / tool).write_text(text)
        (beside / "bin" / tool).chmod(0o755)
    # One of the headers is of a processor, and named by way of /usr/include.
    headers = next(root.glob(f"usr/include/*/{name}")).parent
    link = beside / "include" / headers.name
    link.unlink(missing_ok=True)
    link.symlink_to(headers)
    version, _, _ = json.loads(run(str(program), "-I", "-c", PROBE))
    return Interpreter(version, program, beside, next(root.glob("usr/share/python-wheels/pip-*.whl")))


def _c_library(root: Path) -> tuple[Path, Path]:
    """The loader of a release that was unpacked, and where its libraries are."""
    return next(root.glob("**/ld-linux*.so.*")), next(root.glob("**/libc.so.6")).parent


def test(interpreter: Interpreter) -> bool:
    """Make an environment, build kdumpkey in it, and run the tests."""
    if interpreter.program == Path(sys.executable).resolve():
        python = Path(sys.executable)
    else:
        folder = ROOT / ".venv" / "pythons" / interpreter.version
        python = folder / "bin" / "python"
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if interpreter.pip is None:
            _run(interpreter, interpreter.program, "-m", "venv", "--clear", folder)
        else:
            _run(interpreter, interpreter.program, "-m", "venv", "--clear", "--without-pip", folder)
            _run(interpreter, python, interpreter.pip / "pip", *pip[3:], "--no-index", interpreter.pip)
        needed = folder / "requirements.txt"
        needed.write_text(
            _locked({*FOR_TESTS, *(Requirement(each).name for each in PROJECT["dependencies"])})
        )
        _run(interpreter, *pip, "--require-hashes", "--requirement", needed)
        _run(interpreter, *pip, "--no-build-isolation", "--no-deps", "--editable", ROOT)
    marked = [
        path for path in sorted(ROOT.glob("tests/*/test_*.py")) if "mark.every_python" in path.read_text()
    ]
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", "-m", "every_python", *marked]
    return subprocess.run(command, cwd=ROOT, env=interpreter.environment, check=False).returncode == 0


def _run(interpreter: Interpreter, *command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, env=interpreter.environment, check=True)


def _locked(names: set[str]) -> str:
    """The entries of the lock file for some packages and all that they require in turn."""
    wanted: set[str] = set()
    unseen = list(names)
    while unseen:
        name = canonicalize_name(unseen.pop())
        if name not in wanted:
            wanted.add(name)
            required = (Requirement(line) for line in metadata.requires(name) or [])
            unseen += [
                each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    entries = re.findall(r"^[a-z].*(?:\n .*)*\n", (ROOT / "requirements-dev.lock").read_text(), re.M)
    return "".join(
        entry for entry in entries if canonicalize_name(re.split("[ =]", entry, maxsplit=1)[0]) in wanted
    )


def main(named: list[str]) -> int:
    """Test on everything that is found, and say what that was."""
    lines = []
    failed = tested = 0
    for found in map(find, named or releases()):
        for interpreter in found.interpreters:
            print(f"\n-- Python {interpreter.version}: {interpreter.program}", flush=True)
            try:
                passed = test(interpreter)
            except subprocess.CalledProcessError as error:
                passed = False
                print(f"{error.cmd[0]} failed")
            tested += 1
            failed += not passed
            verdict = "passed" if passed else "FAILED"
            lines.append(f"{found.release}  {verdict}  {interpreter.version}  {interpreter.program}")
        if not found.interpreters:
            lines.append(f"{found.release}  not found: {'; '.join(found.reasons)}")
    print("\n-- Pythons", *lines, sep="\n")
    return int(failed > 0 or tested == 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
