"""repair: a damaged header made whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.cli.opening import VERSIONS, device_path
from kdumpkey.cli.passphrase import confirm
from kdumpkey.errors import HeaderError, NotLuksError, PermissionDeniedError, UsageError
from kdumpkey.luks import repair as ops

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session


def repair(session: Session) -> None:
    """Mend the header; where that is not plainly right, after confirmation."""
    path = session.invocation.text("header") or device_path(session.device)
    wanted = session.invocation.text("type")
    refusal = f"Device {path} is not a valid LUKS device."
    if wanted not in VERSIONS:
        raise NotLuksError(refusal)
    try:
        found = ops.diagnose(path, version=VERSIONS[wanted])
    except NotLuksError as error:
        raise NotLuksError(refusal) from error
    except HeaderError as error:
        raise type(error)(f"{error}\n{refusal}") from error
    if found.damage in (ops.Damage.AMBIGUOUS, ops.Damage.KEYSLOTS):
        session.complain(found.problem)
        try:
            confirm(session, "Really try to repair LUKS device header?", "Operation aborted.\n")
        except PermissionDeniedError as error:
            raise UsageError(str(error)) from error
    if found.damage is ops.Damage.NONE:
        session.explain("No known problems detected for LUKS header.")
        return
    if found.damage is ops.Damage.KEYSLOTS:
        session.explain("Repairing keyslots.")
    for line in ops.repair(path):
        session.complain(line)
    if found.damage is ops.Damage.COPY:
        session.explain("The other copy of the header was rewritten.")
    elif found.damage is ops.Damage.KEYSLOTS:
        session.explain("Writing LUKS header to disk.")
