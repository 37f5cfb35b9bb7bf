"""dm-crypt mappings: their tables, and dmsetup, which makes and removes them."""

from kdumpkey.mapping.dmsetup import DeviceMapper, Mapping
from kdumpkey.mapping.table import CryptTarget

__all__ = ["CryptTarget", "DeviceMapper", "Mapping"]
