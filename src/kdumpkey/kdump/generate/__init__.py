"""The configuration that makes the hand-over work at every boot, as changes to files."""
