"""The arguments that many actions share, as annotated types."""

from __future__ import annotations

from typing import Annotated

import typer

_DEVICE = "A device or image file, UUID=... or PARTUUID=..."
_DEVICES = "Devices or image files, UUID=... or PARTUUID=..."
Device = Annotated[
    str,
    typer.Argument(metavar="DEVICE", help=_DEVICE, show_default=False),
]
Devices = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DEVICE]...", help=_DEVICES, show_default=False),
]
SomeDevices = Annotated[
    list[str],
    typer.Argument(metavar="DEVICE...", help=_DEVICES, show_default=False),
]
KeyFileArgument = Annotated[
    str | None, typer.Argument(metavar="[KEYFILE]", help="A key file", show_default=False)
]
MappingName = Annotated[str, typer.Argument(metavar="NAME", help="The mapping's name", show_default=False)]
