"""The initramfs mock: scripts of the two kernels' user space, run under the memory that each would have."""
