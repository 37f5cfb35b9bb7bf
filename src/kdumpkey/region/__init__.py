"""The memory reserved for the kdump kernel: how much, what lies where in it, and the keys among it."""
