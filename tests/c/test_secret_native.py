"""The C code of secret memory, compiled and run by itself: as it is shipped, and under the sanitizers."""

from __future__ import annotations

from pathlib import Path

from compiled import SANITIZERS, program, run

PARTS = ["secret/kdk_secret.c", "common/kdk_cpu.c"]


def test_secret_memory_holds_its_promises_as_it_is_shipped(tmp_path: Path) -> None:
    assert run(program(tmp_path, "test_secret", *PARTS, options=["-O3"])) == ""


def test_secret_memory_is_clean_when_sanitized(tmp_path: Path) -> None:
    assert run(program(tmp_path, "test_secret", *PARTS, options=SANITIZERS)) == ""
