"""Ciphers, key derivation and the anti-forensic splitter; nothing here reads or writes a device."""
