"""The test vectors that the `cryptography_vectors` package carries; each file there names its source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors


def records(relative: str) -> Iterator[dict[str, str]]:
    """Each record of a vector file: the ``name = value`` lines up to a blank line, and its ``[SECTION]``."""
    record: dict[str, str] = {}
    section = ""
    text = Path(cryptography_vectors.__file__).parent.joinpath(relative).read_text()
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped.strip("[]")
        elif " =" in stripped and not stripped.startswith("#"):
            name, _, value = stripped.partition("=")
            record[name.strip()] = value.strip()
        elif not stripped and record:
            yield {**record, "section": section}
            record = {}
