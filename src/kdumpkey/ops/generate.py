"""Making configuration for devices, and putting it in place whole or not at all; what was there is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kdumpkey.errors import OutputError, UsageError
from kdumpkey.kdump import generate as pieces
from kdumpkey.kdump.doctor import Finding, Host, Verdict
from kdumpkey.kdump.generate import Change
from kdumpkey.ops.doctor_devices import find_devices

PIECES: Final = ("crypttab", "systemd")
BACKUP: Final = ".before-kdumpkey"
_NEW_FILE: Final = 0o644


def generate(piece: str, root: Path, devices: Sequence[str] = ()) -> Change:
    """Make one piece of configuration.

    Args:
        piece: Of `PIECES`.
        root: ``/``, or a directory with another machine's files.
        devices: The encrypted devices; default: those beneath the dump target. Only crypttab asks.

    Raises:
        UsageError: There is no such piece, no such root, or no device with a UUID.
    """
    if piece not in PIECES:
        raise UsageError(f"kdump generate makes {' or '.join(PIECES)}, not {piece!r}.")
    if not root.is_dir():
        raise UsageError(f"{root} is no directory.")
    host = Host(root)
    if piece == "systemd":
        return pieces.systemd(host)
    found: list[Finding] = []
    crypts = find_devices(host, devices, found)
    if not crypts:
        said = " ".join(finding.what for finding in found)
        raise UsageError(f"{said} Name the encrypted devices.".lstrip())
    for crypt in crypts:
        if not crypt.uuid:
            bad = [finding.what for finding in found if finding.verdict is not Verdict.GOOD]
            raise UsageError(f"{crypt.name} has no UUID to name its key by. {' '.join(bad)}".rstrip())
    return pieces.crypttab(host, crypts)


def apply(root: Path, change: Change) -> Path | None:
    """Put a change in place.

    The new file has the old one's mode and owner. What was there stays beside it, as it was before the first
    change that was made so.

    Returns:
        Where the old file is kept; None: there was none.

    Raises:
        OutputError: The file changed since it was read, or cannot be written.
    """
    path = root / change.path
    kept = path.with_name(path.name + BACKUP)
    try:
        now = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
        if now != change.before:
            raise OutputError(f"{path} changed while the change was made; nothing was written.")
        if now is not None and "\ufffd" in now:
            raise OutputError(f"{path} is not all UTF-8; nothing was written.")
        path.parent.mkdir(parents=True, exist_ok=True)
        if now is not None and not kept.exists():
            _replace(kept, now, path)
        _replace(path, change.after, path)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror}.") from error
    return kept if now is not None else None


def _replace(path: Path, text: str, model: Path) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if model.exists():
            shutil.copymode(model, name)
            shutil.chown(name, model.stat().st_uid, model.stat().st_gid)
        else:
            Path(name).chmod(_NEW_FILE)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
