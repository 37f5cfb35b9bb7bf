"""repair: a damaged header made whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Device
from kdumpkey.cli.header_choice import VERSIONS, HeaderChoice
from kdumpkey.cli.options import EVERYWHERE, HeaderBackupFile
from kdumpkey.cli.passphrase import confirm
from kdumpkey.cli.session import Run
from kdumpkey.errors import HeaderError, NotLuksError, RequirementsError, UsageError
from kdumpkey.luks.keyslot_noise import MOST_OFFSETS, PART
from kdumpkey.luks.repair import Damage, diagnose, examine, mend, save_salvaged
from kdumpkey.luks.words import device_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdumpkey.cli.session import Session
    from kdumpkey.luks.keyslot_noise import Suspicion
    from kdumpkey.luks.repair import Diagnosis

app = typer.Typer()


@action(app, "repair", "<device>", ignores=EVERYWHERE, example="kdumpkey repair /dev/sda2")
def repair(
    run: Run, device: Device, header: HeaderChoice, header_backup_file: HeaderBackupFile = None
) -> None:
    """Repair the header, after confirmation if that is not plainly right.

    If both LUKS2 headers are lost and their metadata are not, --header-backup-file makes a detached one.
    """
    session = run.begin()
    path = header.header or device_path(device)
    if header.type not in VERSIONS:
        raise NotLuksError(_refusal(path))
    try:
        found = diagnose(path, version=VERSIONS[header.type])
    except HeaderError as error:
        if VERSIONS[header.type] == 1 or not _salvage(session, path, header_backup_file):
            raise _refused(error, path) from error
        if header_backup_file is None:
            raise NotLuksError(_refusal(path)) from error
        return
    _mend(session, path, found)
    left = examine(path)
    if found.damage is Damage.NONE and left.reencryption is None:
        session.explain("No known problems detected for LUKS header.")
    _say_suspicions(session, path, left.suspicions)
    if left.reencryption is not None:
        what = left.reencryption.explanation(device_path(device), header.header)
        if left.reencryption.interrupted:
            raise RequirementsError(what)
        session.complain(what)


def _refusal(path: str) -> str:
    return f"Device {path} is not a valid LUKS device."


def _refused(error: HeaderError, path: str) -> HeaderError:
    """What is said of a header that cannot be repaired; the last line is cryptsetup's."""
    if isinstance(error, NotLuksError):
        return NotLuksError(_refusal(path))
    return type(error)(f"{error}\n{_refusal(path)}")


def _salvage(session: Session, path: str, target: str | None) -> bool:
    """Salvage what can be, say what is lost, and tell whether anything can be."""
    losses = save_salvaged(path, target)
    for line in losses:
        session.complain(line)
    if losses and target is not None:
        session.complain(f"Nothing was written to {path}. Open it with: --header {target}")
    elif losses:
        session.complain(f"To have a detached header: kdumpkey repair {path} --header-backup-file FILE")
    return bool(losses)


def _mend(session: Session, path: str, found: Diagnosis) -> None:
    """Repair what was found, after confirmation if that is not plainly right."""
    if found.damage is Damage.NONE:
        return
    if found.damage in (Damage.AMBIGUOUS, Damage.KEYSLOTS):
        _warn(session, path, found)
        confirm(session, "Really try to repair LUKS device header?", UsageError("Operation aborted.\n"))
    if found.damage is Damage.KEYSLOTS:
        session.explain("Repairing keyslots.")
    for line in mend(path):
        session.complain(line)
    if found.damage is Damage.COPY:
        session.explain("The other copy of the header was rewritten.")
    elif found.damage is Damage.KEYSLOTS:
        session.explain("Writing LUKS header to disk.")


def _warn(session: Session, path: str, found: Diagnosis) -> None:
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
