"""The placement code, compiled and run by itself: as it is shipped, and under the sanitizers."""

from __future__ import annotations

from pathlib import Path

from compiled import SANITIZERS, program, run

PARTS = ["region/kdk_region.c"]


def test_placement_holds_its_promises_as_it_is_shipped(tmp_path: Path) -> None:
    assert run(program(tmp_path, "test_region", *PARTS, options=["-O3"])) == ""


def test_placement_is_clean_when_sanitized(tmp_path: Path) -> None:
    assert run(program(tmp_path, "test_region", *PARTS, options=[*SANITIZERS])) == ""
