"""The kdump kernel's own program: it opens a volume, or saves a dump, by the key that was handed over.

Memory and time are short there, so it imports only the standard library and the lower floors, and no
framework for command lines; what only one command needs, that command imports.
"""

from kdumpkey.capture.start import entry_point

__all__ = ["entry_point"]
