"""Compiled modules. They import nothing of kdumpkey."""
