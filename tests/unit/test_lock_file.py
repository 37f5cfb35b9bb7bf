"""requirements-dev.lock holds all that pyproject.toml asks for, with the hashes of each release's files."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements-dev.lock").read_text()
PYTHONS = ("3.11.0", "3.12.0", "3.13.0", "3.14.0")


def _locked() -> list[tuple[Requirement, list[str]]]:
    text = re.sub(r"^#.*\n", "", LOCK, flags=re.M).replace("\\\n", " ")
    lines = (line.split(" --hash=") for line in text.splitlines() if line.strip())
    return [(Requirement(head), [each.strip() for each in hashes]) for head, *hashes in lines]


def _installed_under(python: str) -> list[Requirement]:
    """What is installed under one release of Python on Linux."""
    environment = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    environment |= {"sys_platform": "linux", "os_name": "posix", "implementation_name": "cpython"}
    return [each for each, _ in _locked() if each.marker is None or each.marker.evaluate(environment)]


def test_every_release_is_pinned_and_has_hashes() -> None:
    for locked, hashes in _locked():
        assert re.fullmatch(r"==[^,*]+", str(locked.specifier)), locked
        assert hashes, locked
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), locked


def test_all_that_is_asked_for_is_locked_at_a_release_that_will_do() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    asked += [*extras["dev"], *extras["bench"]]
    for python in PYTHONS:
        pinned = {
            canonicalize_name(each.name): str(each.specifier).removeprefix("==")
            for each in _installed_under(python)
        }
        for line in asked:
            wanted = Requirement(line)
            assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), (python, line)


def test_each_release_of_python_gets_one_release_of_a_package() -> None:
    for python in PYTHONS:
        names = Counter(canonicalize_name(each.name) for each in _installed_under(python))
        assert not [name for name, count in names.items() if count > 1]


def test_the_lock_file_leaves_it_to_pip_where_packages_come_from() -> None:
    assert not re.search(r"://|^--(?:index|extra-index|find-links|trusted)", LOCK, re.M)
