"""A machine by its files, running or below a root directory."""
