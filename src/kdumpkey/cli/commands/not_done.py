"""Actions of cryptsetup that kdumpkey does not do: they are named as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from kdumpkey.cli import options
from kdumpkey.cli.action import action
from kdumpkey.cli.options import EVERYWHERE
from kdumpkey.cli.outcome import PROGRAM
from kdumpkey.cli.session import Run
from kdumpkey.errors import UsageError

app = typer.Typer()
_TCRYPT: Final = (
    options.DisableVeracrypt,
    options.TcryptBackup,
    options.TcryptHidden,
    options.TcryptSystem,
    options.VeracryptPim,
)
_REENCRYPT: Final = (
    options.AlignPayload,
    options.DeviceSize,
    options.DisableBlkid,
    options.ForceNoKeyslots,
    options.ForceOfflineReencrypt,
    options.HotzoneSize,
    options.Integrity,
    options.IntegrityNoWipe,
    options.IterTime,
    options.KeepKey,
    options.KeySize,
    options.KeySlot,
    options.KeyslotCipher,
    options.KeyslotKeySize,
    options.Label,
    options.Luks2KeyslotsSize,
    options.Luks2MetadataSize,
    options.NewKeySize,
    options.NewVolumeKeyFile,
    options.NewVolumeKeyKeyring,
    options.Offset,
    options.Pbkdf,
    options.PbkdfForceIterations,
    options.ProgressJson,
    options.SectorSize,
    options.Subsystem,
    options.UseRandom,
    options.UseUrandom,
    options.Uuid,
)


def _declare(name: str, wanted: str, *extra: Any, needs_argument: bool = True) -> None:
    def needing(
        run: Run, _word: Annotated[str, typer.Argument(metavar="DEVICE", help="A device or mapping")]
    ) -> None:
        refuse(run)

    def needing_none(run: Run) -> None:
        refuse(run)

    def refuse(run: Run) -> None:
        run.begin()
        raise UsageError(f"{PROGRAM} does not do {name}; cryptsetup does.")

    declare: Callable[[Callable[..., None]], object] = action(
        app, name, wanted, ignores=(*EVERYWHERE, *extra), example=f"cryptsetup {name}"
    )
    declare(needing if needs_argument else needing_none)


_declare("bitlkDump", "<device>")
_declare("fvault2Dump", "<device>")
_declare("luksResume", "<device>", options.ExternalTokensPath, options.KeySlot)
_declare("luksSuspend", "<device>")
_declare("reencrypt", "<device>", *_REENCRYPT, needs_argument=False)
_declare("resize", "<name>", options.DeviceSize, options.ExternalTokensPath, options.Size)
_declare("tcryptDump", "<device>", *_TCRYPT)
