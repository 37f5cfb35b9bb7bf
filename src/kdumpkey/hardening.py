"""What a process that handles keys switches off for itself."""

from __future__ import annotations

import os
import resource

from kdumpkey._native import secret
from kdumpkey.errors import PermissionDeniedError


def harden_process() -> None:
    """Forbid core dumps of this process, and reading its memory by other processes of the same user.

    RLIMIT_CORE becomes 0 (soft and hard, inherited by children) and PR_SET_DUMPABLE 0 (not inherited
    through exec). Root, and whoever has CAP_SYS_PTRACE, reads the memory all the same.

    Raises:
        PermissionDeniedError: The system refused one of the two.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        raise PermissionDeniedError(f"core dumps could not be switched off: {error}") from error
    if errno := secret.forbid_dumps():
        raise PermissionDeniedError(f"the process could not be made undumpable: {os.strerror(errno)}")
