"""Bytes in and out: devices and files, read and written in full."""
