"""The streams of the command line, which are those of every program of kdumpkey's."""

from kdumpkey.streams import Streams, encode, write_all

__all__ = ["Streams", "encode", "write_all"]
