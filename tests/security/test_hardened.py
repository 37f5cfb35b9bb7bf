"""The extension modules have the protection that this compiler offers: their headers and symbols say so."""

from __future__ import annotations

import importlib.util
import platform
import re
import runpy
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import setuptools

import kdumpkey._native
from tools import require_tool

pytestmark = pytest.mark.every_python

MODULES = sorted(
    Path(str(kdumpkey._native.__file__)).parent.glob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}")
)
MACHINE = platform.machine()
# What glibc offers with a check, and GCC never leaves without one where _FORTIFY_SOURCE is set.
PRINTING = {"sprintf", "snprintf", "vsprintf", "vsnprintf", "printf", "fprintf", "vprintf", "vfprintf"}

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = """
#include <stdlib.h>
#include <string.h>
__attribute__((visibility("default"))) int scratch(const char *from, size_t size, size_t count);
int scratch(const char *from, size_t size, size_t count) {
    char first[64], *all = malloc(size);
    if (all == NULL) return -1;
    memcpy(all, from, count);
    strncpy(first, all, 64);
    int result = first[63 & count];
    free(all);
    return result;
}
"""
OLD_COMPILER = """#!/bin/sh
for word; do
    case $word in
        {refused}) exit 1 ;;
    esac
done
exec {real} "$@"
"""
# What this Python's own build hands on to all that is compiled for it.
HANDED_ON = " ".join(str(sysconfig.get_config_var(name)) for name in ("CC", "CFLAGS", "CPPFLAGS", "LDSHARED"))

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
def test_what_a_module_prints_into_a_buffer_is_checked(module: Path) -> None:
    assert not _imported(module) & PRINTING


def test_copies_of_known_size_are_checked() -> None:
    # Not in each: a module may hold no copy whose size the compiler knows. The options are the same for all.
    assert any("__memcpy_chk" in _imported(module) for module in MODULES)


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


def _built_by_setup(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of one function, built as setup.py builds the others."""
    said: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", said.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    source = folder / "scratch.c"
    source.write_text(SCRATCH)
    module = setuptools.Extension("scratch", [str(source)], extra_compile_args=["-O3"])
    command = said["cmdclass"]["build_ext"](setuptools.Distribution({"ext_modules": [module]}))
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.library_dirs = []  # those of this Python's own processor; nothing there is needed
    command.run()
    (built,) = folder.glob("scratch*.so")
    return built


def test_setup_has_copies_checked_whose_size_is_known_only_when_they_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {"__memcpy_chk", "__stack_chk_fail"} <= _imported(_built_by_setup(tmp_path, monkeypatch))


def test_setup_finds_what_a_compiler_for_armv8_offers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "-fcf-protection" in HANDED_ON or "-mcet" in HANDED_ON:
        pytest.skip("this Python was built with options that only compilers for x86 know")
    compiler = require_tool("aarch64-linux-gnu-gcc")
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("LDSHARED", f"{compiler} -shared")
    built = _built_by_setup(tmp_path, monkeypatch)
    assert "AArch64" in _readelf("--file-header", built)
    assert {"BTI", "PAC"} <= set(re.findall(r"\w+", _readelf("--notes", built)))
    assert {"__memcpy_chk", "__stack_chk_fail"} <= _imported(built)
    assert "BIND_NOW" in _readelf("--dynamic", built)


def test_setup_builds_with_a_compiler_that_knows_none_of_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("-fcf-protection", "-mbranch-protection", "-ffile-prefix-map", "-D_FORTIFY_SOURCE", "-Wl,-z")
    refused = "|".join(f"{option}*" for option in options if option not in HANDED_ON)
    real = require_tool(shlex.split(sysconfig.get_config_var("CC"))[0])
    old = tmp_path / "old-compiler"
    old.write_text(OLD_COMPILER.format(real=real, refused=refused))
    old.chmod(0o700)
    monkeypatch.setenv("CC", str(old))
    monkeypatch.setenv("LDSHARED", f"{old} -shared")
    built = _built_by_setup(tmp_path, monkeypatch)
    assert ("__memcpy_chk" in _imported(built)) == ("-D_FORTIFY_SOURCE" not in refused)
