"""What configuration is generated for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kdumpkey.host.host import CryptDevice, Host


@dataclass(frozen=True)
class Setup:
    """A machine, its encrypted devices, and how kdumpkey is run there.

    Attributes:
        host: Where the files are.
        devices: Each has a UUID, and a name for its mapping or none.
        program: The words that run kdumpkey, independent of PATH.
    """

    host: Host
    devices: tuple[CryptDevice, ...]
    program: tuple[str, ...]
