"""The commands, one function each: they take a session and print; what they do is below."""
