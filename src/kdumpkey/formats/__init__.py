"""The formats of encrypted devices besides LUKS; so far they are recognised, and not opened."""
