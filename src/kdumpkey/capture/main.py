"""From the words of a command line to an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kdumpkey.capture.arguments import parse_arguments
from kdumpkey.outcome import exit_code, usage

if TYPE_CHECKING:
    from os import PathLike

    from kdumpkey.streams import Streams

PROGRAM: Final = "kdumpkey-capture"
HELP: Final = f"""\
{usage(PROGRAM)}

Open a volume in the kdump kernel by the key that the crashed kernel handed over.

Actions:
  open DEVICE NAME   Map the volume as /dev/mapper/NAME
  test DEVICE        Check the key alone
  save DEVICE FILE   Write FILE to the beginning of the volume; what was there is overwritten
  restore            Have the kernel put the keys into root's user keyring

Options:
  --header FILE           Read the header from this file or device
  --volume-key-file FILE  Take the volume key itself from this file
  --key-size, -s BITS     Size of the volume key, where the header does not say it
  --key-description TEXT  Take the key of this name (kdump-cryptsetup:vk-UUID)
  --readonly, -r          Let the mapping take no writes (open)
  --verbose, -v           Say which key was taken
  --help, -?              Show this help
  --version, -V           Print the version

Example: {PROGRAM} open /dev/sda2 dump
"""


def main(argv: Sequence[str], streams: Streams, root: str | PathLike[str] = "/") -> int:
    """Run one command.

    Args:
        argv: The words after the program's name.
        streams: Where it says what it did, and finds $PATH.
        root: Where the kernel's files are.

    Returns:
        The exit code: 0, one of cryptsetup's 1 to 5, or 130: interrupted.
    """
    begun = False

    def work() -> None:
        nonlocal begun
        arguments = parse_arguments(argv)
        begun = True
        if arguments.show == "help":
            streams.show(HELP)
        elif arguments.show == "version":
            from kdumpkey import __version__  # noqa: PLC0415 - a name of the package's, not a module

            streams.say(f"{PROGRAM} {__version__}")
        else:
            from kdumpkey.capture.commands import run  # noqa: PLC0415 - help needs none of it

            run(arguments, streams, root)

    return exit_code(streams, PROGRAM, work, begun=lambda: begun)
