"""LUKS headers and keyslots, both versions."""
