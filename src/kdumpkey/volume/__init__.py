"""Random-access plaintext of encrypted segments, and copying it to files and back."""
