"""Which header an action is about, as its options say."""

from dataclasses import dataclass
from typing import Final

from kdumpkey.cli.options import DeviceType, Header
from kdumpkey.errors import NotLuksError

VERSIONS: Final = {None: None, "luks": None, "luks1": 1, "luks2": 2}


@dataclass(frozen=True)
class HeaderChoice:
    """Where a header is, and of which type it must be."""

    header: Header = None
    type: DeviceType = None

    @property
    def version(self) -> int | None:
        """The version of LUKS that --type demands; None: either.

        Raises:
            NotLuksError: It is another type of device.
        """
        if self.type not in VERSIONS:
            raise NotLuksError(f"{self.type} is not a type of LUKS device.")
        return VERSIONS[self.type]
