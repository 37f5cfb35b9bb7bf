"""repair: a damaged header made whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import HeaderChoice
from kdumpkey.cli.opening import VERSIONS, device_path
from kdumpkey.cli.options import EVERYWHERE, HeaderBackupFile
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.session import Run
from kdumpkey.errors import HeaderError, NotLuksError, PermissionDeniedError, RequirementsError, UsageError
from kdumpkey.luks import repair as ops
from kdumpkey.luks.keyslot_noise import MOST_OFFSETS, PART

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdumpkey.cli.session import Session
    from kdumpkey.luks.keyslot_noise import Suspicion

app = typer.Typer()


@action(app, "repair", "<device>", ignores=EVERYWHERE, example="kdumpkey repair /dev/sda2")
def repair(
    run: Run, device: Device, header: HeaderChoice, header_backup_file: HeaderBackupFile = None
) -> None:
    """Repair the header; where that is not plainly right, after confirmation.

    Where both LUKS2 headers are lost and their metadata are not, --header-backup-file makes a detached one.
    """
    session = run.begin()
    path = header.header or device_path(device)
    wanted = header.type
    refusal = f"Device {path} is not a valid LUKS device."
    if wanted not in VERSIONS:
        raise NotLuksError(refusal)
    try:
        found = ops.diagnose(path, version=VERSIONS[wanted])
    except HeaderError as error:
        losses = () if VERSIONS[wanted] == 1 else ops.save_salvaged(path, header_backup_file)
        for line in losses:
            session.complain(line)
        if losses and header_backup_file is not None:
            session.complain(f"Nothing was written to {path}. Open it with: --header {header_backup_file}")
            return
        if losses:
            session.complain(f"To have a detached header: kdumpkey repair {path} --header-backup-file FILE")
        if isinstance(error, NotLuksError) or losses:
            raise NotLuksError(refusal) from error
        raise type(error)(f"{error}\n{refusal}") from error
    if found.damage in (ops.Damage.AMBIGUOUS, ops.Damage.KEYSLOTS):
        _warn(session, path, found)
        try:
            confirm(session, "Really try to repair LUKS device header?", "Operation aborted.\n")
        except PermissionDeniedError as error:
            raise UsageError(str(error)) from error
    if found.damage is ops.Damage.KEYSLOTS:
        session.explain("Repairing keyslots.")
    if found.damage is not ops.Damage.NONE:
        for line in ops.repair(path):
            session.complain(line)
    if found.damage is ops.Damage.COPY:
        session.explain("The other copy of the header was rewritten.")
    elif found.damage is ops.Damage.KEYSLOTS:
        session.explain("Writing LUKS header to disk.")
    left = ops.examine(path)
    if found.damage is ops.Damage.NONE and left.reencryption is None:
        session.explain("No known problems detected for LUKS header.")
    _say_suspicions(session, path, left.suspicions)
    if left.reencryption is not None:
        what = left.reencryption.explanation(device_path(device), header.header)
        if left.reencryption.interrupted:
            raise RequirementsError(what)
        session.complain(what)


def _warn(session: Session, path: str, found: ops.Diagnosis) -> None:
    """Say why it is asked for: of a partition table alone no more than that, and in batch mode nothing."""
    if not found.table:
        session.complain(found.problem)
    elif not session.batch:
        session.complain(f"WARNING: Device {path} already contains a '{found.table}' partition signature.")


def _say_suspicions(session: Session, path: str, suspicions: Sequence[Suspicion]) -> None:
    """Report keyslots that do not look like keyslots, in cryptsetup's words."""
    for suspicion in suspicions:
        session.say(f"Keyslot {suspicion.keyslot} binary data could be corrupted.")
        for offset in suspicion.offsets_bytes:
            session.say(f"  Suspected offset: {offset:#x}")
        if len(suspicion.offsets_bytes) >= MOST_OFFSETS:
            session.say("  Subsequent suspected offsets are suppressed.")
    if any(suspicion.offsets_bytes for suspicion in suspicions):
        session.say(f'You can use hexdump -v -C -n {PART} -s <offset_0xXXXX> "{path}" to inspect the data.')
