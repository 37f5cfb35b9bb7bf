"""Whether a crash now would leave a dump on an encrypted device: one module for each thing that must hold."""

from kdumpkey.kdump.doctor.finding import CANNOT_TELL, FAILS, WORKS, Finding, Verdict, exit_code
from kdumpkey.kdump.doctor.host import CryptDevice, Host

__all__ = ["CANNOT_TELL", "FAILS", "WORKS", "CryptDevice", "Finding", "Host", "Verdict", "exit_code"]
