"""The kdump kernel's own program: it opens a volume, or saves a dump, by the key that was handed over.

Where memory and time are short, no framework for command lines belongs: the standard library and the lower
floors are all that it imports, and what one command alone needs, that command imports.
"""

from kdumpkey.capture.start import entry_point

__all__ = ["entry_point"]
