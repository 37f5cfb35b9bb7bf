"""``python -m kdumpkey.capture``."""

from kdumpkey.capture import entry_point

if __name__ == "__main__":
    entry_point()
