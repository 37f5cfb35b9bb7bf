"""The directory of programs that a scenario finds first: kdumpkey, and kdumpkey under other names."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kdumpkey.interpreter import PYTHON

KDUMPKEY: Final = (*PYTHON, "-m", "kdumpkey")
_STEP: Final = Path(__file__).with_name("step.py")
_TOOLS: Final = {"kdumpkey": (), "cryptsetup": (), "keyctl": ("kdump", "keyctl")}


@dataclass(frozen=True)
class Step:
    """One command of a scenario, and what it took; `peak_kib` is its own, without the shell."""

    command: str
    exit_code: int
    seconds: float
    peak_kib: int


def install_tools(folder: Path, log: Path) -> None:
    """Write the programs.

    Args:
        folder: Where.
        log: Where each of them records what it took.
    """
    for name, words in _TOOLS.items():
        command = [*KDUMPKEY, *words]
        step = shlex.join([sys.executable, "-I", "-S", str(_STEP), str(log), name, *command])
        path = folder / name
        path.write_text(
            f"#!/bin/sh\ntrap '' INT\nKDUMPKEY_STEP_WORDS={len(command)} exec {step} \"$@\"\n",
            encoding="utf-8",
        )
        path.chmod(0o700)


def read_steps(log: Path) -> list[Step]:
    """What the programs recorded, in the order in which they ended."""
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Step(**json.loads(line)) for line in lines]
