"""How kdumpkey starts its own Python once more."""

from __future__ import annotations

import sys
from typing import Final

# Never with modules from the working directory; and where this process takes none from its environment or its
# user's home, the next one does not either.
PYTHON: Final = (sys.executable, "-I" if sys.flags.isolated else "-P")
