"""How much memory there is, and limits on it."""
