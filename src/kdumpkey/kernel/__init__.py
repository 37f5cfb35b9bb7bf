"""What a kernel offers to hand keys over: one protocol, Linux and a simulation."""
