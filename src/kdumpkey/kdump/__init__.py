"""What an administrator does: arm a machine, examine it, configure it, estimate its memory."""
