"""A simulated kernel that hands keys over: by Linux's merged interface, or by that of the series of 2023.

What Linux refuses is refused with the same errno, and where Linux fails silently so does this; `hardened`
reports it. Every step that a loss of power could separate from the next goes through `checkpoint`.

Source: what Linux 7.2.13 was seen to do, and kernel documentation, admin-guide/kdump.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from kdumpkey.errors import KernelError, KeyringError, UsageError, kernel_error
from kdumpkey.host.configfs import DIRECTORY
from kdumpkey.kernel.protocol import (
    Audit,
    CrashImage,
    HeldKey,
    KernelStatus,
    Loaded,
    MachineFacts,
    NamedKey,
    Restored,
    Stage,
    WantedImage,
)
from kdumpkey.kernel.record import KeyOrigin, LoadRecord
from kdumpkey.kernel.simulated.audit import audit
from kdumpkey.kernel.simulated.keyring import SimulatedKeyrings
from kdumpkey.kernel.simulated.keys import ALL, USER, Process
from kdumpkey.kernel.simulated.load_keys import SimulatedKeys
from kdumpkey.kernel.simulated.state import LoadedImage, MachineState
from kdumpkey.keyring.service import SpecialKeyring
from kdumpkey.region import handover
from kdumpkey.region.handover import LONGEST_DESCRIPTION, LONGEST_KEY, MOST_KEYS
from kdumpkey.region.memory import CrashRegion
from kdumpkey.region.model import KEYS, Policy, segments_of
from kdumpkey.region.placement import Layout
from kdumpkey.secret import SecretBuffer

MERGED_PATH: Final = f"/{DIRECTORY}"
V1_PATH: Final = "/sys/kernel/crash_luks_volume_key"
V1_ITEM: Final = "crash_luks_volume_key"
V1_SECONDS: Final = 3600
_PARAMETERS: Final = {
    Policy.V1: "luksvolumekey",
    Policy.UPSTREAM: "dmcryptkeys",
    Policy.HARDENED: "dmcryptkeys",
}
_HANDED: Final = "kdumpkey:handed"  # what the kernel of v1 keeps of a key that was named
_COMMAND_LINE: Final = "panic=10"
_NOTICE: Final = "A simulator is no security boundary: its keys lie in files of this user's."
_HINTS: Final = {
    errno.ENOKEY: "Is the key still there (kdump keyctl list @u), and can this session reach it? If its "
    "keyring has no link to @u: kdump keyctl link @u @s",
    errno.EKEYREVOKED: "Open the device again, so that its key is put into the keyring again: kdump name",
    errno.EACCES: "The key's permissions do not let this process search for it: kdump keyctl list @u",
    errno.EADDRNOTAVAIL: "Load again, or reserve more: the keys are placed at random, before the kernel.",
}


@dataclass
class SimulatedKernel:
    """The running kernel of a simulated machine.

    Attributes:
        folder: The machine's directory.
        state: The machine's; changed in place.
        region: Its reserved memory.
        keyrings: The running kernel's keys.
        process: Who calls.
        clock: Seconds since the epoch.
        draw: A uniform random number below its argument.
        checkpoint: Makes the state last; called between steps.
    """

    folder: Path
    state: MachineState
    region: CrashRegion
    keyrings: SimulatedKeyrings
    process: Process
    clock: Callable[[], float]
    draw: Callable[[int], int]
    checkpoint: Callable[[], None] = lambda: None

    @property
    def is_this_machine(self) -> bool:
        """See `Kernel`."""
        return False

    @property
    def root(self) -> Path:
        """See `Kernel`; a simulated machine has this one's devices."""
        return Path("/")

    @property
    def keys(self) -> SimulatedKeys:
        """The calling process's keyrings; see `Kernel`."""
        return SimulatedKeys(self.keyrings, self.process, self.folder, self.state.throwaway)

    def record(self) -> LoadRecord | None:
        """None: this kernel tells which keys are loaded; see `Kernel`."""
        return None

    @contextmanager
    def alone(self, *, loading: bool = True) -> Iterator[Self]:  # noqa: ARG002 - its lock keeps everybody out
        """See `Kernel`: whoever has the machine open has it alone."""
        yield self

    def complete(self, wanted: WantedImage) -> CrashImage:
        """See `Kernel`."""
        if wanted.kernel or wanted.initrd:
            raise UsageError("A simulated machine is told of its kernel and initramfs by kdump boot.")
        return CrashImage(command_line=_COMMAND_LINE if wanted.command_line is None else wanted.command_line)

    def check_allowed(self) -> None:
        """See `Kernel`; nothing forbids a load here."""

    def check(self, image: CrashImage) -> None:
        """See `Kernel`; an image is a command line here, and any will do."""

    def audit(self) -> Audit:
        """Search the reserved memory; see `Kernel`."""
        return audit(self.state, self.region)

    def status(self) -> KernelStatus:
        """What can be seen, here also what Linux does not show."""
        state = self.state
        image = state.image
        v1 = state.policy is Policy.V1
        return KernelStatus(
            stage=state.stage,
            interface=V1_PATH if v1 else MERGED_PATH,
            named=tuple(state.items),
            count=len(state.items),
            reuse=state.reuse,
            loaded=image is not None and state.stage is Stage.FIRST,
            loaded_at=image.loaded_at if image else None,
            keys=image.keys if image else (),
            address=image.address if image else None,
            restored=state.restored if state.stage is Stage.KDUMP else None,
            reserved_bytes=state.reserved_bytes,
            reserved_at=state.base,
            ram_bytes=state.ram_bytes,
            command_line=state.command_line if state.stage is Stage.KDUMP else None,
            warnings=tuple(self._warnings()),
            machine=self._facts(),
        )

    def _facts(self) -> MachineFacts:
        state = self.state
        return MachineFacts(
            id=str(self.folder),
            label=str(self.folder),
            traits=(f"boot {state.boot}", f"policy {state.policy.value}"),
            details=(("boot", state.boot), ("policy", state.policy.value)),
            notice=_NOTICE,
        )

    def make_item(self, item: str) -> None:
        """Make an item without description, as mkdir does in configfs.

        Raises:
            KernelError: EPERM, EEXIST; EINVAL: too many.
        """
        self._need(Stage.FIRST)
        if any(named.item == item for named in self.state.items):
            raise kernel_error(errno.EEXIST, f"item {item} is there already")
        # Linux counts one too many: 129 can be made.
        most = MOST_KEYS if self.state.policy is Policy.HARDENED else MOST_KEYS + 1
        if len(self.state.items) >= most:
            raise kernel_error(errno.EINVAL, f"{most} keys are named already, the kernel takes no more")
        self.state.items.append(NamedKey(item, None))

    def name(self, description: str, item: str | None = None) -> NamedKey:
        """Name a key to be handed over; see `Kernel`."""
        self._need(Stage.FIRST)
        if self.state.policy is Policy.V1:
            return self._name_v1(description)
        kept = self._kept(description)
        self.make_item(item or self._free_item(kept))
        named = replace(self.state.items[-1], description=kept)
        self.state.items[-1] = named
        self.checkpoint()
        return named

    def describe(self, item: str, description: str) -> None:
        """Write a description into an item that is there, as into its file in configfs.

        Raises:
            KernelError: EPERM; ENOENT: no such item; EINVAL: the description is empty or too long.
        """
        self._need(Stage.FIRST)
        at = next((at for at, named in enumerate(self.state.items) if named.item == item), None)
        if at is None:
            raise kernel_error(errno.ENOENT, f"there is no item {item}")
        self.state.items[at] = replace(self.state.items[at], description=self._kept(description))
        self.checkpoint()

    def _kept(self, description: str) -> str:
        """What the kernel makes of a description that is written."""
        kept = description.partition("\n")[0]
        nbytes = len(kept.encode("utf-8", "surrogateescape"))
        hardened = self.state.policy is Policy.HARDENED
        if not 0 < nbytes <= LONGEST_DESCRIPTION - (1 if hardened else 0):
            raise kernel_error(errno.EINVAL, f"a description has 1 to {LONGEST_DESCRIPTION - 1} bytes")
        if nbytes == LONGEST_DESCRIPTION:
            self.state.note("a description of 128 bytes is cut to 127 by a load: the key will not be found")
        return kept

    def forget(self, item: str) -> None:
        """Stop naming a key; see `Kernel`."""
        self._need(Stage.FIRST)
        left = [named for named in self.state.items if named.item != item]
        if len(left) == len(self.state.items):
            raise kernel_error(errno.ENOENT, f"there is no item {item}")
        self.state.items = left
        self.checkpoint()

    def load(self, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:  # noqa: ARG002 - no record
        """Load a crash image with the named keys; if that fails, none is loaded any more. See `Kernel`."""
        self._need(Stage.FIRST)
        try:
            return self._load(image)
        except KernelError as error:
            lost = self.state.image is None
            now = "No crash image is loaded now." if lost else "The image that was loaded before still is."
            hint = _HINTS.get(error.errno, "")
            raise kernel_error(error.errno, f"{error.reason}\n{now} {hint}".rstrip()) from error

    def _load(self, image: CrashImage) -> Loaded:
        state, hardened = self.state, self.state.policy is Policy.HARDENED
        reused = state.reuse and state.policy is not Policy.V1
        keys: list[tuple[HeldKey, SecretBuffer]] = []
        try:
            if reused and hardened and state.items:
                keys = self._saved_keys()
            # From here on, there is no crash image if anything fails, as on Linux.
            state.image, state.interrupted = None, True
            self.checkpoint()
            if hardened:
                self.region.clear(self.region.base, self.region.size)
            try:
                if not keys:
                    keys = self._keys_to_load(reused=reused)
                loaded = self._place(image, keys, reused=reused)
            except KernelError:
                if hardened:
                    state.reuse, state.source = False, None
                state.interrupted = False
                self.checkpoint()
                raise
        finally:
            for _, payload in keys:
                payload.close()
        state.image, state.interrupted = loaded, False
        if loaded.keys:
            state.source = loaded
        self._drop_v1_copy()
        self.checkpoint()
        return Loaded(loaded.keys, reused and bool(loaded.keys), loaded.address, self._load_warnings(loaded))

    def unload(self) -> None:
        """Unload the image; see `Kernel`."""
        self._need(Stage.FIRST)
        state = self.state
        state.image = None
        if state.policy is Policy.HARDENED:
            state.interrupted, state.reuse, state.source = True, False, None
            self.checkpoint()
            self.region.clear(self.region.base, self.region.size)
            state.interrupted = False
        self.checkpoint()

    def reuse(self, enabled: bool) -> None:
        """Have loads take the keys of the previous image; see `Kernel`."""
        self._need(Stage.FIRST)
        state = self.state
        if state.policy is Policy.V1:
            raise kernel_error(errno.ENOENT, "the interface of v1 has no reuse")
        if state.image is None or not state.image.keys:
            raise kernel_error(errno.EINVAL, "no crash image with keys is loaded, there is nothing to reuse")
        if enabled and len(state.items) > len(state.image.keys):
            if state.policy is Policy.HARDENED:
                raise kernel_error(errno.EINVAL, "more keys are named than the loaded image holds")
            state.note("reuse was set with more keys named than were loaded: Linux corrupts its memory here")
        state.reuse, state.source = enabled, state.image
        self.checkpoint()

    def crash(self) -> None:
        """Crash: of the first kernel only the reserved memory is left; see `Kernel`."""
        self._need(Stage.FIRST)
        state = self.state
        if state.image is None:
            raise kernel_error(
                errno.EINVAL, "no crash image is loaded: a real machine would just reboot here"
            )
        state.stage, state.command_line = Stage.KDUMP, state.image.command_line
        state.items, state.reuse, state.source, state.restored = [], False, None, False
        self.keyrings.close()
        self.process.session = self.process.thread = None
        self.checkpoint()

    def restore(self, description: str | None = None) -> Restored:
        """Put the keys into the keyring; see `Kernel`. Only v1 needs the description, of its one key."""
        self._need(Stage.KDUMP)
        if self.state.policy is Policy.V1:
            return self._restore_v1(description)
        surfaces = self.state.policy is Policy.HARDENED
        try:
            names = self._restore_merged(checked=surfaces)
        except (KernelError, KeyringError) as error:
            if surfaces:
                raise kernel_error(error.errno, f"the keys cannot be restored: {error}") from error
            why = f"Linux does not report this: {error}"
            self.state.restored = True
            self.state.note(why)
            self.checkpoint()
            return Restored((), warnings=(why,))
        self.state.restored = True
        self.checkpoint()
        return Restored(tuple(names))

    def recover(self) -> bool:
        """After an interrupted load: note it, and under `hardened` zero what it may have left."""
        if not self.state.interrupted:
            return False
        if self.state.policy is Policy.HARDENED:
            self.region.clear(self.region.base, self.region.size)
            self.state.reuse, self.state.source = False, None
        self.state.interrupted = False
        self.state.note("a load or unload was cut off: no crash image is loaded, load it again")
        self.checkpoint()
        return True

    def handed_over(self) -> int | None:
        """The address of the keys that the kdump kernel was given on its command line."""
        parameter = _PARAMETERS[self.state.policy]
        found = re.findall(rf"(?:^|\s){parameter}=(0x[0-9a-fA-F]{{1,16}})(?=\s|$)", self.state.command_line)
        return int(found[-1], 16) if found else None

    def _need(self, stage: Stage) -> None:
        if self.state.stage is not stage:
            only = "first kernel" if stage is Stage.FIRST else "kdump kernel"
            raise kernel_error(errno.EPERM, f"only the {only} does this, and the other one runs")

    def _free_item(self, description: str) -> str:
        base = re.sub(r"[^\w.-]", "_", description.rpartition(":")[2]) or "key"
        taken = {named.item for named in self.state.items}
        item, number = base, 2
        while item in taken:
            item, number = f"{base}-{number}", number + 1
        return item

    def _keys_to_load(self, *, reused: bool) -> list[tuple[HeldKey, SecretBuffer]]:
        if self.state.policy is Policy.V1:
            return self._v1_copy()
        if not self.state.items:
            return []
        return self._saved_keys() if reused else self._looked_up()

    def _looked_up(self) -> list[tuple[HeldKey, SecretBuffer]]:
        found: list[tuple[HeldKey, SecretBuffer]] = []
        try:
            for named in self.state.items:
                if named.description is None:
                    raise kernel_error(errno.EINVAL, f"item {named.item} has no description")
                asked = _asked(named.description)
                payload = self._request(asked)
                if len(payload) > LONGEST_KEY:
                    raise kernel_error(errno.EINVAL, f"key {asked} has over {LONGEST_KEY} bytes")
                held = HeldKey(asked, len(payload), self.clock())
                found.append((held, SecretBuffer.copy_of(payload)))
        except BaseException:
            for _, copy in found:
                copy.close()
            raise
        return found

    def _request(self, description: str) -> SecretBuffer:
        try:
            return self.keyrings.payload(self.keyrings.request(self.process, "logon", description))
        except KeyringError as error:
            raise kernel_error(error.errno, str(error)) from error

    def _saved_keys(self) -> list[tuple[HeldKey, SecretBuffer]]:
        source = self.state.source
        if source is None or source.address is None:
            raise kernel_error(errno.EINVAL, "there are no saved keys to reuse")
        checked = self.state.policy is Policy.HARDENED
        saved = handover.unpack_merged(self.region.read, source.address, checked=checked)
        if not checked:
            # Linux takes as many as are named now, the first ones, whichever keys those are.
            for _, dropped in saved[len(self.state.items) :]:
                dropped.close()
            saved = saved[: len(self.state.items)]
        known = {held.description: held for held in source.keys}
        return [(known.get(name, HeldKey(name, len(key))), key) for name, key in saved]

    def _place(
        self, image: CrashImage, keys: list[tuple[HeldKey, SecretBuffer]], *, reused: bool
    ) -> LoadedImage:
        policy = self.state.policy
        with self._record([(held.description, payload) for held, payload in keys]) as record:
            sizes = self.state.sizes
            layout = Layout(policy, self.region.base, self.region.size, segments_of(sizes, len(record)))
            parts = layout.place_at_random(self.draw)
            for part in parts:  # the new image overwrites what lay there
                self.region.clear(part.start, part.nbytes)
            address = next((part.start for part in parts if part.name == KEYS), None)
            command_line = image.command_line
            if address is not None:
                self.region.write(address, record)
                command_line = f"{command_line} {_PARAMETERS[policy]}={address:#x}".lstrip()
            held = tuple(key for key, _ in keys)
            return LoadedImage(parts, held, address, len(record), reused, self.clock(), command_line)

    def _record(self, keys: list[tuple[str, SecretBuffer]]) -> SecretBuffer:
        if not keys:
            return SecretBuffer(0)
        if self.state.policy is Policy.V1:
            return handover.pack_v1(keys[0][1])
        return handover.pack_merged(keys, checked=self.state.policy is Policy.HARDENED)

    def _restore_merged(self, *, checked: bool) -> list[str]:
        address = self.handed_over()
        if address is None:
            raise kernel_error(errno.ENODATA, "no keys were handed over")
        keys = handover.unpack_merged(self.region.read, address, checked=checked)
        try:
            for name, payload in keys if not self.state.restored else ():
                everything = ALL << USER
                ring = SpecialKeyring.USER
                self.keyrings.add(self.process, "user", name, payload, ring, permissions=everything)
        finally:
            for _, payload in keys:
                payload.close()
        return [name for name, _ in keys]

    def _restore_v1(self, description: str | None) -> Restored:
        address = self.handed_over()
        if address is None or not description:
            why = "no key was handed over" if address is None else "v1 needs the name that the key shall have"
            raise kernel_error(errno.EINVAL, why)
        with handover.unpack_v1(self.region.read, address) as payload:
            try:
                self.keyrings.add(self.process, "logon", description, payload, SpecialKeyring.THREAD)
            except KeyringError as error:
                raise kernel_error(error.errno, str(error)) from error
        self.state.restored = True
        self.checkpoint()
        return Restored((description,), "logon", "@t")

    def _name_v1(self, description: str) -> NamedKey:
        payload = self._request(description)
        if len(payload) > handover.LONGEST_V1_KEY:
            raise kernel_error(errno.EINVAL, f"v1 hands over {handover.LONGEST_V1_KEY} bytes at most")
        self._drop_v1_copy()
        self.keyrings.keep(_HANDED, payload, V1_SECONDS)
        named = NamedKey(V1_ITEM, description)
        self.state.items = [named]
        self.checkpoint()
        return named

    def _v1_copy(self) -> list[tuple[HeldKey, SecretBuffer]]:
        payload = self.keyrings.kept(_HANDED)
        if payload is None or not self.state.items:
            return []
        description = self.state.items[0].description or ""
        return [(HeldKey(description, len(payload), self.clock()), SecretBuffer.copy_of(payload))]

    def _drop_v1_copy(self) -> None:
        self.keyrings.drop(_HANDED)

    def _load_warnings(self, image: LoadedImage) -> tuple[str, ...]:
        if image.keys:
            return (
                () if len(image.keys) <= MOST_KEYS else ("more than 128 keys: none of them will be restored",)
            )
        if self.state.items:
            return ("the image was loaded without the key: it was not there any more",)
        return ("the image holds no keys: none were named",)

    def _warnings(self) -> list[str]:
        state, found = self.state, list(self.state.notes)
        if state.stage is Stage.KDUMP:
            if self.handed_over() is None:
                found.append("no keys were handed over: the device will not open without a passphrase")
            return found
        image = state.image
        if image is None:
            found.append("no crash image is loaded: a crash would leave no dump")
        elif not image.keys:
            found.append("the loaded image holds no keys")
        elif len(image.keys) > MOST_KEYS:
            found.append("the image holds more than 128 keys: none of them will be restored")
        held = {key.description: key for key in image.keys} if image else {}
        for named in state.items:
            found += self._warnings_of(named, held)
        return found

    def _warnings_of(self, named: NamedKey, held: dict[str, HeldKey]) -> list[str]:
        found = []
        description = None if named.description is None else _asked(named.description)
        if description is None:
            return [f"item {named.item} has no description: the next load fails with EINVAL"]
        if self.state.image is not None and description not in held:
            found.append(f"{description} was named after the image was loaded: it is not in it, load again")
        try:
            serial = self.keyrings.request(self.process, "logon", description)
        except KeyringError as error:
            name = errno.errorcode.get(error.errno, str(error.errno))
            if self.state.policy is not Policy.V1 and not self.state.reuse:
                found.append(f"{description} cannot be had now ({name}): the next load would fail")
            return found
        copied_at = held[description].copied_at if description in held else None
        if copied_at is not None and self.keyrings.keys[serial].changed_at > copied_at:
            found.append(f"{description} was changed after the image was loaded: load again")
        return found


def _asked(description: str) -> str:
    """The name that a load asks the keyring for: Linux keeps one byte of its field for the end."""
    name = description.encode("utf-8", "surrogateescape")[: LONGEST_DESCRIPTION - 1]
    return name.decode("utf-8", "surrogateescape")
