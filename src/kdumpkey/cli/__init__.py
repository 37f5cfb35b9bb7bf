"""The command line: the only place that prints, prompts, reads the environment or exits."""

from kdumpkey.cli.start import entry_point

__all__ = ["entry_point"]
