"""The extension modules have the protection that this compiler offers: their headers and symbols say so."""

from __future__ import annotations

import importlib.util
import platform
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

import kdumpkey._native
from tools import require_tool

MODULES = sorted(
    Path(str(kdumpkey._native.__file__)).parent.glob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}")
)
MACHINE = platform.machine()
# What glibc offers with a check, and GCC never leaves without one where _FORTIFY_SOURCE is set.
PRINTING = {"sprintf", "snprintf", "vsprintf", "vsnprintf", "printf", "fprintf", "vprintf", "vfprintf"}

every_module = pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name.partition(".")[0])


def _readelf(option: str, path: Path) -> str:
    done = subprocess.run(
        [require_tool("readelf"), "--wide", option, path], capture_output=True, text=True, check=True
    )
    return done.stdout


def _imported(path: Path) -> set[str]:
    return set(re.findall(r"\bUND (\w+)", _readelf("--dyn-syms", path)))


def _compiler_takes(option: str, tmp_path: Path) -> bool:
    command = shlex.split(sysconfig.get_config_var("CC"))
    done = subprocess.run(
        [
            require_tool(command[0]),
            *command[1:],
            option,
            "-Werror",
            "-x",
            "c",
            "-c",
            "/dev/null",
            "-o",
            tmp_path / "o",
        ],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_each_module_that_the_package_names_is_looked_at() -> None:
    stubs = {path.stem for path in MODULES[0].parent.glob("*.pyi")}
    assert {path.name.partition(".")[0] for path in MODULES} == stubs
    assert all(importlib.util.find_spec(f"kdumpkey._native.{name}") for name in stubs)


@every_module
def test_overrun_buffers_on_the_stack_end_the_program(module: Path) -> None:
    assert "__stack_chk_fail" in _imported(module)


@every_module
def test_copies_and_prints_of_known_size_are_checked(module: Path) -> None:
    imported = _imported(module)
    assert {name for name in imported if re.fullmatch(r"__(mem|str|v?s?n?printf)\w*_chk", name)}
    assert not imported & PRINTING


@every_module
def test_every_relocation_is_made_read_only_at_loading(module: Path) -> None:
    assert re.search(r"\bGNU_RELRO\b", _readelf("--program-headers", module))
    dynamic = _readelf("--dynamic", module)
    assert re.search(r"\(FLAGS\).*\bBIND_NOW\b", dynamic)
    assert re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic)
    assert "(TEXTREL)" not in dynamic


@every_module
def test_neither_the_stack_nor_any_writable_segment_can_be_executed(module: Path) -> None:
    segments = re.findall(
        r"^ +(GNU_STACK|LOAD) .* ([R ][W ][E ]) +0x", _readelf("--program-headers", module), re.M
    )
    assert [flags for kind, flags in segments if kind == "GNU_STACK"] == ["RW "]
    assert not [flags for _, flags in segments if "W" in flags and "E" in flags]


@every_module
def test_indirect_jumps_and_returns_are_guarded_where_the_compiler_can(module: Path, tmp_path: Path) -> None:
    if MACHINE in ("x86_64", "i686"):
        option, marks = "-fcf-protection=full", {"IBT", "SHSTK"}
    elif MACHINE == "aarch64":
        option, marks = "-mbranch-protection=standard", {"BTI", "PAC"}
    else:
        pytest.skip(f"{MACHINE} has nothing of the kind")
    if not _compiler_takes(option, tmp_path):
        pytest.skip(f"this compiler does not know {option}")
    assert marks <= set(re.findall(r"\w+", _readelf("--notes", module)))


@every_module
def test_libraries_are_looked_for_where_the_system_has_them_alone(module: Path) -> None:
    dynamic = _readelf("--dynamic", module)
    assert not re.findall(r"\((?:RPATH|RUNPATH)\).*", dynamic)
    assert set(re.findall(r"\(NEEDED\).*\[(\w+)", dynamic)) <= {"libc", "libm", "ld"}


@every_module
def test_no_module_names_the_folder_that_it_was_built_in(module: Path) -> None:
    assert str(Path(__file__).resolve().parents[2]).encode() not in module.read_bytes()
