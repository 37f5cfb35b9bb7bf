"""kdumpkey and cryptsetup take and refuse the same headers, and show the same of those that they take.

All 10,000 mutations: KDUMPKEY_FUZZ_COUNT=10000; other seeds: KDUMPKEY_FUZZ_SEED=123.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples import examples
from fuzz.base_headers import BASES, base
from fuzz.images import image_of, luks1_image
from fuzz.json_mutations import paths
from fuzz.judges import cryptsetup, disagreement, kdumpkey, write
from fuzz.mutated_headers import mutated_image
from tools import require_tool

COUNT = examples("KDUMPKEY_FUZZ_COUNT", 200, 2000)
SEED = int(os.environ.get("KDUMPKEY_FUZZ_SEED", "0"))
WORKERS = 2


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: every mutation is a file."""
    require_tool("cryptsetup")
    shm = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shm if os.access(shm, os.W_OK) else None) as name:
        yield Path(name)


@pytest.mark.parametrize("name", BASES)
def test_both_accept_what_the_mutations_start_from(folder: Path, name: str) -> None:
    metadata = base(name)
    size = 2 * (int(metadata["config"]["json_size"]) + 4096) + int(metadata["config"]["keyslots_size"])
    write(image_of(metadata, size=size), folder / "base")
    assert kdumpkey(folder / "base").accepted
    assert kdumpkey(folder / "base") == cryptsetup(folder / "base")


def test_both_accept_the_luks1_header_that_the_mutations_start_from(folder: Path) -> None:
    write(luks1_image(), folder / "base")
    assert kdumpkey(folder / "base") == cryptsetup(folder / "base")
    assert kdumpkey(folder / "base").accepted


def _seeded(folder: Path, count: int, program: Path | None = None) -> list[str]:
    """What the judges do not agree on of that many mutations."""

    def judge(worker: int) -> list[str]:
        found = []
        for seed in range(SEED + worker, SEED + count, WORKERS):
            image = mutated_image(Random(seed))
            if program and len(image.chunks) > 2:
                continue  # what counts as a foreign signature differs between releases of libblkid
            if said := disagreement(image, folder / f"seeded{worker}", program):
                found.append(f"seed {seed}: {said}")
        return found

    with ThreadPoolExecutor(WORKERS) as pool:
        return [said for share in pool.map(judge, range(WORKERS)) for said in share]


def test_the_judges_agree_on_seeded_mutations(folder: Path) -> None:
    found = _seeded(folder, COUNT)
    assert not found, "\n\n".join(found[:20])


def test_a_newer_cryptsetup_agrees_too(folder: Path, newer_cryptsetup: Path) -> None:
    found = _seeded(folder, COUNT // 4, newer_cryptsetup)
    assert not found, "\n\n".join(found[:20])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
DIGITS = st.integers(0, 2**65).map(str)


@settings(
    max_examples=examples("KDUMPKEY_FUZZ_VALUES", 60, 300),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
@given(data=st.data(), name=st.sampled_from(sorted(BASES)), value=JSON | DIGITS)
def test_the_judges_agree_whatever_stands_in_a_field(
    folder: Path, data: st.DataObject, name: str, value: Any
) -> None:
    metadata = base(name)
    path = data.draw(st.sampled_from([path for path in paths(metadata) if path]))
    *outer, last = path
    parent: Any = metadata
    for key in outer:
        parent = parent[key]
    parent[last] = value
    size = 2 * (28672 + 4096 if name == "other sizes" else 16384) + 16744448
    assert not disagreement(image_of(metadata, size=size), folder / "hypothesis")
