"""A simulated machine: two kernels, their keyrings and the reserved memory, in a directory."""
