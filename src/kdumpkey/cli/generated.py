"""Write the manual page and the completion scripts: ``python -m kdumpkey.cli.generated FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from kdumpkey.cli.completion import SCRIPTS
from kdumpkey.cli.man_page import man_page


def generated() -> dict[str, str]:
    """Every generated file by its path in the project."""
    return {"man/kdumpkey.8": man_page(), **{f"completions/{name}": make() for name, make in SCRIPTS.items()}}


def main(folder: Path) -> None:
    """Write them all below a folder."""
    for name, text in generated().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
