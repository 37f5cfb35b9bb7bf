"""kdumpkey: unlock LUKS volumes in user space, and carry a volume key across a kernel crash."""

__version__ = "0.1.0"
