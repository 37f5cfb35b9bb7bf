"""The state of a simulated machine, except its secrets; and its form in a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import cast

from kdumpkey.errors import DeviceError
from kdumpkey.kernel.protocol import HeldKey, NamedKey, Stage
from kdumpkey.region.model import ImageSizes, Part, Policy

_VERSION = 1


@dataclass(frozen=True)
class LoadedImage:
    """A crash image in the reserved memory.

    Attributes:
        parts: Where its parts lie, in the order of placement.
        keys: The keys in it, none if there is no part for them.
        address: Where the keys' record begins; None: the image holds no keys.
        nbytes: How long the record is.
        reused: Whether the keys came from the image before.
        loaded_at: Seconds since the epoch, by the machine's clock.
        command_line: For the kdump kernel, with the address that the loading kernel added.
    """

    parts: tuple[Part, ...]
    keys: tuple[HeldKey, ...]
    address: int | None
    nbytes: int
    reused: bool
    loaded_at: float
    command_line: str


@dataclass
class MachineState:
    """A simulated machine's configuration and state.

    Attributes:
        policy: How it hands keys over.
        ram_bytes: Its memory.
        base: Physical address of the reserved memory.
        reserved_bytes: Size of the reserved memory.
        stage: Which kernel runs.
        boot: How often it was booted, so that memory of earlier boots is told apart.
        clock_offset_s: How far its clock is ahead of the real one.
        sessions: Serial numbers of the session keyrings, by the names that callers give them.
        items: The keys named, in their order.
        reuse: What `reuse` reads.
        source: The image that keys are reused from.
        image: The crash image that is loaded.
        interrupted: A load began, and did not end: the keys' part of the region may hold anything.
        restored: Whether the kdump kernel restored its keys.
        command_line: The running kernel's.
        throwaway: Whether its keys protect nothing, so that nobody needs a warning of where they lie.
        notes: What Linux would have failed at silently since the boot.
    """

    policy: Policy
    ram_bytes: int
    base: int
    reserved_bytes: int
    stage: Stage = Stage.FIRST
    boot: int = 1
    clock_offset_s: float = 0.0
    sessions: dict[str, int] = field(default_factory=dict)
    items: list[NamedKey] = field(default_factory=list)
    reuse: bool = False
    source: LoadedImage | None = None
    image: LoadedImage | None = None
    interrupted: bool = False
    restored: bool = False
    command_line: str = ""
    throwaway: bool = False
    notes: list[str] = field(default_factory=list)
    sizes: ImageSizes = field(default_factory=ImageSizes)

    def note(self, text: str) -> None:
        """Note, once, what Linux would have failed at silently."""
        if text not in self.notes:
            self.notes.append(text)

    def to_json(self) -> str:
        """The text of its file."""
        plain = asdict(self) | {
            "version": _VERSION,
            "policy": self.policy.value,
            "stage": self.stage.value,
        }
        return json.dumps(plain, indent=1)

    @classmethod
    def from_json(cls, text: str) -> MachineState:
        """Read it back.

        Raises:
            DeviceError: It is not what `to_json` wrote.
        """
        try:
            plain = cast("dict[str, object]", json.loads(text))
            if plain.pop("version") != _VERSION:
                raise DeviceError("the machine was made by another version of kdumpkey")
            plain["policy"], plain["stage"] = Policy(plain["policy"]), Stage(plain["stage"])
            plain["items"] = [NamedKey(**item) for item in cast("list[dict[str, str]]", plain["items"])]
            plain["sizes"] = ImageSizes(**cast("dict[str, int]", plain["sizes"]))
            for name in ("source", "image"):
                plain[name] = _image(plain[name])
            return cls(**plain)  # type: ignore[arg-type]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DeviceError(f"the machine's state cannot be read: {error}") from error


def _image(plain: object) -> LoadedImage | None:
    if plain is None:
        return None
    fields = dict(cast("dict[str, object]", plain))
    fields["parts"] = tuple(Part(**part) for part in cast("list[dict[str, int]]", fields["parts"]))  # type: ignore[arg-type]
    fields["keys"] = tuple(HeldKey(**key) for key in cast("list[dict[str, str]]", fields["keys"]))  # type: ignore[arg-type]
    return LoadedImage(**fields)  # type: ignore[arg-type]
