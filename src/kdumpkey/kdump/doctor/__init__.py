"""Whether a crash now would leave a dump on an encrypted device: one module for each thing that must hold."""

from kdumpkey.kdump.doctor.finding import CANNOT_TELL, FAILS, WORKS, Finding, Verdict, exit_code, is_loaded

__all__ = ["CANNOT_TELL", "FAILS", "WORKS", "Finding", "Verdict", "exit_code", "is_loaded"]
