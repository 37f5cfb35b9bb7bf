"""What is known of a machine and its dump target, read once for the doctor's checks and the generator."""
