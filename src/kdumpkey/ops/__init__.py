"""The actions, one module each: plain functions with typed results, which neither print nor ask."""
