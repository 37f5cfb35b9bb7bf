"""The files that kdumpkey may need: also those of modules that put another one in their own place."""

from __future__ import annotations

import importlib
import json
import os.path
import posixpath
import string
import sys
from pathlib import Path

import pytest

from kdumpkey.kdump.runtime_modules import files_of

pytestmark = pytest.mark.every_python

REPLACED = "import sys, string\nsys.modules[__name__] = string\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def _imported(name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    importlib.import_module(name)
    found = files_of(name, sys.modules[name])
    for each in {name, name.partition(".")[0]}:
        monkeypatch.delitem(sys.modules, each)
    return found


def test_a_module_that_puts_another_in_its_place_comes_with_both_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "kdk_replaced.py").write_text(REPLACED)
    expected = sorted([str(folder / "kdk_replaced.py"), str(string.__file__)])
    assert _imported("kdk_replaced", monkeypatch) == expected


def test_so_does_one_in_a_package_and_a_package_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("kdk_outer/__init__.py", "kdk_other/__init__.py", "kdk_outer/inner.py"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("" if path == "kdk_outer/__init__.py" else REPLACED)
    inner = str(folder / "kdk_outer/inner.py")
    assert _imported("kdk_outer.inner", monkeypatch) == sorted([inner, str(string.__file__)])
    package = str(folder / "kdk_other/__init__.py")
    assert _imported("kdk_other", monkeypatch) == sorted([package, str(string.__file__)])


def test_a_name_that_the_module_above_it_set_has_the_one_file() -> None:
    assert files_of("os.path", os.path) == [posixpath.__file__]


def test_collections_abc_comes_with_the_file_of_its_name_where_this_python_has_one() -> None:
    abc = importlib.import_module("collections.abc")
    by_name = Path(str(sys.modules["collections"].__file__)).with_name("abc.py")
    assert (str(by_name) in files_of("collections.abc", abc)) == by_name.exists()


def test_a_module_without_a_file_needs_none() -> None:
    assert files_of("sys", sys) == []
    assert files_of("json", json) == [json.__file__]
