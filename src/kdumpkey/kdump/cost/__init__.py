"""What unlocking costs, measured, compared and advised on."""
