"""The console script."""

from kdumpkey.process import run_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kdumpkey.process import Main


def entry_point() -> None:
    """Run `main` with this process's own words and streams, and exit with its code."""
    run_process("kdumpkey-capture", _main)


def _main() -> "Main":
    from kdumpkey.capture.main import main  # noqa: PLC0415 - once the working directory is left out

    return main
