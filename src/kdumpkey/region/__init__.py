"""The memory reserved for the kdump kernel: how much, and what lies where in it, the keys included."""
