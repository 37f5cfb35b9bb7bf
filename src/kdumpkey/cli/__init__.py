"""The command line: the only place that prints, prompts, reads the environment or exits."""

from kdumpkey.cli.main import entry_point, main
from kdumpkey.cli.streams import Streams

__all__ = ["Streams", "entry_point", "main"]
