"""A program's own process: started quickly, hardened for keys, and ended quickly."""

# Built into Python or imported by its start: these cannot come from the working directory.
import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from kdumpkey.streams import Streams

    Main = Callable[[Sequence[str], Streams], int]

# Imports make tens of thousands of objects that stay; at the default of 700, looking through them for garbage
# again and again takes a tenth of a short run.
_OBJECTS_BETWEEN_COLLECTIONS = 30_000


def run_process(program: str, load_main: "Callable[[], Main]") -> "NoReturn":
    """Run a program with this process's own words and streams, and exit with its code.

    Args:
        program: Its name.
        load_main: Imports what takes the words and the streams, and returns the exit code.
    """
    _leave_out_working_directory()
    import signal  # noqa: PLC0415 - after the line above

    # Before there is anybody to say so, and after, Ctrl-C ends the process without a word.
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _occupy_closed_streams()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    main = load_main()
    from kdumpkey.errors import PermissionDeniedError  # noqa: PLC0415 - after the lines above
    from kdumpkey.hardening import harden_process  # noqa: PLC0415
    from kdumpkey.outcome import INTERRUPTED  # noqa: PLC0415
    from kdumpkey.streams import Streams  # noqa: PLC0415

    streams = Streams()
    try:
        harden_process()
    except PermissionDeniedError as error:
        streams.complain(f"{program}: {error}")
    try:
        signal.signal(signal.SIGINT, interrupt)
        code = main(sys.argv[1:], streams)
    except KeyboardInterrupt:
        streams.complain("Interrupted.")
        code = INTERRUPTED
    if interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()  # secrets are wiped by now: what is left needs no last search for cycles
    raise SystemExit(code)


def _leave_out_working_directory() -> None:
    """Do not look for modules in the working directory, where a file may happen to be named like one of them.

    `python -m` looks there first, and to an empty word of PYTHONPATH it is a folder like any other. What
    Python itself imported before this cannot be helped; `python -I` leaves the directory out from the start.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return  # it was removed, so nothing is in it
    as_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    if as_module and not sys.flags.safe_path and sys.path[0] == here:
        del sys.path[0]
    named = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    if named and "" in named.split(os.pathsep) and here in sys.path:
        sys.path.remove(here)


def _occupy_closed_streams() -> None:
    """Keep the numbers of standard streams that are closed from the files to be opened.

    Otherwise a device would be opened as one of them, and a message be written over its header. What is
    opened as a path alone can be neither read nor written: using the stream fails as if it were closed.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/", os.O_PATH | os.O_CLOEXEC)  # the lowest number that is free: fd
