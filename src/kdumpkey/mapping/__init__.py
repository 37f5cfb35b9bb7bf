"""dm-crypt mappings: what their tables say, and device-mapper, through its own program dmsetup."""
