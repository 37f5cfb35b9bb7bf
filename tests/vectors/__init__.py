"""Known answers from outside: each module reads one algorithm's, and says where they come from."""
