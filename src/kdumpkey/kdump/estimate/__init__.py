"""How much memory a kdump kernel needs."""
