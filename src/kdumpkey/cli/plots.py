"""Pictures of measurements, by matplotlib, which is an extra."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kdumpkey.errors import UsageError
from kdumpkey.storage.publish import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS: Final = {".png": "png", ".svg": "svg"}
# Okabe and Ito's palette, which people with any colour vision tell apart; the hatches are for print in grey.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
HATCHES: Final = ("", "//", "..", "xx", "\\\\", "++", "oo")


def check(path: str) -> None:
    """See, before anything is measured, that a plot can be drawn and in which format.

    Args:
        path: Its end says the format: .png or .svg.

    Raises:
        UsageError: It is neither, or matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise UsageError(f"Option --plot takes a file called .png or .svg, not {path}.")
    if find_spec("matplotlib") is None:
        raise UsageError("Option --plot needs matplotlib: pip install 'kdumpkey[plot]'.")


def new_figure(path: str, width: float, height: float) -> Figure:
    """An empty figure that will be saved under a name.

    Args:
        path: Its end says the format: .png or .svg.
        width: In inches, at 150 dots an inch.
        height: Likewise.

    Raises:
        UsageError: It is neither, or matplotlib is not installed.
    """
    check(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and slow to import

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def save(figure: Figure, path: str) -> None:
    """Write a figure; a file of that name is replaced when the picture is whole.

    Raises:
        OutputError: It cannot be written.
    """
    picture = io.BytesIO()
    how: dict[str, Any] = {"metadata": {"Date": None}} if path.lower().endswith(".svg") else {}
    figure.savefig(picture, format=_FORMATS[Path(path).suffix.lower()], **how)
    write_file(path, picture.getvalue(), mode=0o644, replace=True)
