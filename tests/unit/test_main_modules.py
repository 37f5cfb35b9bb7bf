"""The modules that `python -m` runs."""

from __future__ import annotations

import importlib
import runpy
import sys

import pytest

MODULES = {"kdumpkey.__main__": "kdumpkey", "kdumpkey.capture.__main__": "kdumpkey.capture"}


@pytest.mark.parametrize("name", MODULES)
def test_importing_it_runs_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "argv", ["kdumpkey", "no-such-action"])
    assert importlib.import_module(name).__name__ == name


@pytest.mark.parametrize("name", MODULES)
def test_running_it_is_running_the_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    module = "kdumpkey.cli" if name == "kdumpkey.__main__" else "kdumpkey.capture"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(f"{module}.entry_point", lambda: calls.append(module))
    runpy.run_module(MODULES[name], run_name="__main__", alter_sys=False)
    assert calls == [module]
