"""Pictures of measurements, by matplotlib, which is an extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kdumpkey.errors import OutputError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS: Final = {".png": "png", ".svg": "svg"}
# Okabe and Ito's palette, which people with any colour vision tell apart; the hatches are for print in grey.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
HATCHES: Final = ("", "//", "..", "xx", "\\\\", "++", "oo")


def new_figure(path: str, width: float, height: float) -> Figure:
    """An empty figure that will be saved under a name.

    Args:
        path: Its end says the format: .png or .svg.
        width: In inches, at 150 dots an inch.
        height: Likewise.

    Raises:
        UsageError: It is neither, or matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise UsageError(f"Option --plot takes a file called .png or .svg, not {path}.")
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("Option --plot needs matplotlib: pip install 'kdumpkey[plot]'.") from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def save(figure: Figure, path: str) -> None:
    """Write a figure; a file of that name is replaced when the picture is whole.

    Raises:
        OutputError: It cannot be written.
    """
    import io  # noqa: PLC0415

    picture = io.BytesIO()
    how: dict[str, Any] = {"metadata": {"Date": None}} if path.lower().endswith(".svg") else {}
    figure.savefig(picture, format=_FORMATS[Path(path).suffix.lower()], **how)
    hidden = Path(f"{path}.{os.urandom(4).hex()}.part")
    try:
        hidden.write_bytes(picture.getvalue())
        hidden.replace(path)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OutputError(f"Cannot write {path}: {reason}.") from error
    finally:
        hidden.unlink(missing_ok=True)
