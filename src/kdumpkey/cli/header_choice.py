"""Which header an action is about, as its options say."""

from dataclasses import dataclass

from kdumpkey.cli.options import DeviceType, Header


@dataclass(frozen=True)
class HeaderChoice:
    """Where a header is, and of which type it must be."""

    header: Header = None
    type: DeviceType = None
