"""Linux's own kernel, by configfs and kexec_file_load: the same protocol as the simulator's.

The path decides what this kernel can do, never its version. What Linux tells nobody, which keys the loaded
image holds, is written down at each load (`kdumpkey.kernel.linux.record`); what it is known to do wrong is
refused here before anything is lost, because a load that fails takes the image before it along.

Source: kernel documentation, admin-guide/kdump, and what Linux 7.2.13 was seen to do.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kdumpkey.errors import KernelError, kernel_error
from kdumpkey.host.host import Host, Missing
from kdumpkey.host.kexec import forbidden, kexec_file, read_crash_memory
from kdumpkey.host.later_loads import loaded_after
from kdumpkey.kernel.linux.crash_image import check_image
from kdumpkey.kernel.linux.files import alone, doing, replace_private, text_of, tools_waiting, write_once
from kdumpkey.kernel.linux.kexec import load_crash_image, unload_crash_image
from kdumpkey.kernel.linux.record import RECORD, KeyOrigin, LoadRecord, RecordedImage, parse_record
from kdumpkey.kernel.linux.restore import DIRECTORY, absent, restore_keys
from kdumpkey.kernel.protocol import CrashImage, HeldKey, KernelStatus, Loaded, NamedKey, Restored, Stage
from kdumpkey.region.handover import LONGEST_DESCRIPTION, MOST_KEYS

INTERFACE: Final = DIRECTORY
_NO_DESCRIPTION: Final = "(null)"
_LONGEST_ITEM: Final = 200
_TOOLS_LOCK: Final = "run/lock/kdump"
_TOOLS_CONFIG: Final = "etc/kdump.conf"


def _check_here(image: CrashImage) -> None:
    check_image(image, os.uname().machine)


@dataclass(frozen=True)
class LinuxKernel:
    """The kernel that this runs on.

    Attributes:
        root: Where its /proc, /sys and /run are.
        load_image: Loads a crash image, by system call.
        unload_image: Gives it up.
        make_item: Makes a directory in configfs, which fills it with attributes by itself.
        remove_item: Removes it, attributes and all.
        write: Writes a value into a file of the kernel's.
        check: Refuses an image that no load would take, or no machine boot.
        clock: Seconds since the epoch.
        patience_s: For how long a kdumpctl that is at work is waited for.
        begun: Since when no kdumpctl can have been at work; None: nobody saw to that.
    """

    root: Path = Path("/")
    load_image: Callable[[CrashImage], None] = load_crash_image
    unload_image: Callable[[], None] = unload_crash_image
    make_item: Callable[[Path], None] = Path.mkdir
    remove_item: Callable[[Path], None] = Path.rmdir
    write: Callable[[Path, str], None] = write_once
    check: Callable[[CrashImage], None] = _check_here
    clock: Callable[[], float] = time.time
    patience_s: float = 60.0
    begun: float | None = None

    @property
    def interface(self) -> Path | None:
        """The directory by which keys are named or restored; None: this kernel has none, or no configfs."""
        path = self.root / INTERFACE
        return path if path.is_dir() else None

    def status(self) -> KernelStatus:
        """What can be seen; the keys of the image are those of the record, if it is of this boot."""
        interface = self.interface
        stage = self._stage()
        loaded = self._of_kexec("crash_loaded") == "1"
        size = self._reserved_bytes()
        last = self.last_record() if loaded else None
        since = self._since(last)
        record = None if since else last
        named = self._named()
        return KernelStatus(
            stage=stage,
            interface=None if interface is None else str(interface),
            named=named,
            reuse=self._word(f"{INTERFACE}/reuse") == "1",
            loaded=loaded,
            keys=() if not loaded else None if record is None else _held(record),
            restored=self._word(f"{INTERFACE}/restore") == "1" if stage is Stage.KDUMP else None,
            reserved_bytes=size,
            sure=self._is_sure(record, size) if loaded else self._is_empty(),
            warnings=self._warnings(named, known=not loaded or record is not None, since=since),
        )

    @property
    def count(self) -> int | None:
        """How many items there are, as the kernel counts them; None: it does not say."""
        word = self._word(f"{INTERFACE}/count")
        return int(word) if word is not None and word.isdecimal() else None

    @contextmanager
    def alone(self, *, loading: bool = True) -> Iterator[LinuxKernel]:
        """Be the only one that names and loads, kdumpctl included; see `kdumpkey.kernel.linux.files.alone`.

        Args:
            loading: Keep kdumpctl out, too; it waits until this is over.

        Returns:
            This kernel, for as long as that lasts.

        Raises:
            KernelError: EBUSY: another one does.
        """
        with alone((self.root / RECORD).parent):
            if not loading:
                yield self
                return
            installed = (self.root / _TOOLS_CONFIG).exists()
            with tools_waiting(self.root / _TOOLS_LOCK, installed=installed, patience_s=self.patience_s):
                yield replace(self, begun=self.clock())

    def name(self, description: str, item: str | None = None) -> NamedKey:
        """Tell the kernel to hand a key over with the next load; see `Kernel`."""
        interface = self._first_interface()
        nbytes = len(os.fsencode(description))
        # 128 bytes are taken too, cut to 127, and then no such key is found.
        if not 0 < nbytes < LONGEST_DESCRIPTION or "\n" in description:
            raise kernel_error(
                errno.EINVAL, f"a description is one line of 1 to {LONGEST_DESCRIPTION - 1} bytes"
            )
        # One more can be made; then all are loaded, and none is restored.
        if len(self._named()) >= MOST_KEYS:
            raise kernel_error(errno.EINVAL, f"{MOST_KEYS} keys are named already, no more are restored")
        path = interface / (item or item_of(description))
        if path.parent != interface or path.name in ("", ".", ".."):
            raise kernel_error(errno.EINVAL, f"{item!r} cannot be the name of an item")
        doing(lambda: self.make_item(path), f"the item {path.name} cannot be made")
        try:
            self._write(path / "description", description)
        except BaseException:
            self.remove_item(path)
            raise
        return NamedKey(path.name, description)

    def forget(self, item: str) -> None:
        """Take a named key back; see `Kernel`."""
        path = self._first_interface() / item
        if path.parent != self.interface:
            raise kernel_error(errno.EINVAL, f"{item!r} cannot be the name of an item")
        doing(lambda: self.remove_item(path), f"the item {item} cannot be removed")

    def load(self, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:
        """Load the kdump kernel with the named keys; see `Kernel`.

        What is known to fail is refused before the image that is loaded is lost. There is no record while the
        kernel works, so that being killed leaves what is loaded unknown, never wrong.

        Args:
            image: What to load.
            origins: What the record is to say of the keys' devices.
        """
        named = self._named()
        for key in named:
            if key.description is None:
                raise kernel_error(errno.EINVAL, f"the item {key.item} has no description; kdump forget it")
        if len(named) > MOST_KEYS:
            raise kernel_error(errno.EINVAL, f"more than {MOST_KEYS} keys are named, none would be restored")
        self.check_allowed()
        self.check(image)
        reused = self._word(f"{INTERFACE}/reuse") == "1"
        before = self.record()
        if reused and before is not None:
            self._check_reuse(before)
        # A kdumpctl that comes now waits, and loads another image when this is through: its lock tells when.
        begun = self.clock() if self.begun is None else self.begun
        last = text_of(self.root / RECORD)
        self._forget_record()
        try:
            self.load_image(image)
        except KernelError as error:
            # Not allowed, it has not come to the image: what is loaded is what was.
            if error.errno == errno.EPERM and last and self._of_kexec("crash_loaded") == "1":
                doing(lambda: replace_private(self.root / RECORD, last), f"{RECORD} cannot be written")
            raise
        if self._named() != named:
            return Loaded(None, warnings=("another program changed what was named during the load",))
        descriptions = tuple(key.description for key in named if key.description is not None)
        warnings: tuple[str, ...] = ()
        if reused:
            warnings = ("reuse is set: the keys are those of the image before, not the keyring's",)
            if before is None or set(before.descriptions) != set(descriptions):
                # Nothing says what the image before held, so nothing says what this one holds.
                return Loaded(None, reused=True, warnings=warnings)
        if not descriptions:
            warnings = (*warnings, "no key is named: the image holds none")
        copied, known = begun, tuple(each for each in origins if each.description in descriptions)
        if reused and before is not None:
            copied, known = before.loaded_at, before.origins
        record = LoadRecord(
            self._boot_id(), copied, descriptions, known, _recorded(image), self._reserved_bytes()
        )
        try:
            self._write_record(record)
        except KernelError as error:  # it is loaded all the same
            warnings = (*warnings, f"{error}; status will not know what was loaded")
        return Loaded(_held(record), reused=reused, warnings=warnings)

    def check_allowed(self) -> None:
        """Refuse where nobody may load an image any more.

        Raises:
            KernelError: EPERM: nobody may, until the machine restarts.
        """
        if why := forbidden(Host(self.root)):
            raise kernel_error(errno.EPERM, f"{why}: no image can be loaded until the machine restarts")

    def unload(self) -> None:
        """Give up the loaded image; see `Kernel`."""
        self._forget_record()
        self.unload_image()

    def reuse(self, enabled: bool) -> None:
        """Have the next loads copy the keys of the image before; see `Kernel`.

        Raises:
            KernelError: EINVAL also where more keys are named than the image is known to hold.
        """
        if enabled:
            self._check_reuse(self.record())
        self._write(self._first_interface() / "reuse", "1" if enabled else "0")

    def crash(self) -> None:
        """Crash this machine, at once; see `Kernel`.

        Raises:
            KernelError: EINVAL: no crash image is loaded; EPERM …: not for this user.
        """
        if self._of_kexec("crash_loaded") != "1":
            raise kernel_error(errno.EINVAL, "no crash image is loaded: a crash would leave no dump")
        self._write(self.root / "proc/sysrq-trigger", "c")

    def restore(self) -> Restored:
        """Put the keys into root's user keyring; see `Kernel`. Linux says nothing of what came back."""
        restore_keys(self.root, self.write)
        return Restored(None)

    def _check_reuse(self, record: LoadRecord | None) -> None:
        # Linux copies as many keys as are named, from wherever the saved ones end: that corrupts its memory.
        held = 0 if record is None else len(record.descriptions)
        if len(self._named()) > held:
            raise kernel_error(
                errno.EINVAL, f"more keys are named than the {held} that the image is known to hold"
            )

    @staticmethod
    def _is_sure(record: LoadRecord | None, size: int | None) -> bool:
        """Whether a record is of the reserved memory as it is; older ones do not say of which."""
        return record is not None and size is not None and record.reserved_bytes == size

    def _is_empty(self) -> bool:
        """Whether the kernel says that nothing is loaded, or certainly has no kexec to load it with."""
        memory = read_crash_memory(Host(self.root))
        return memory.loaded is False or (memory.sysfs is True and memory.loaded is Missing.ABSENT)

    def _reserved_bytes(self) -> int | None:
        size = self._of_kexec("crash_size")
        return int(size) if size and size.isdecimal() else None

    def _of_kexec(self, name: str) -> str | None:
        return self._word(kexec_file(Host(self.root), name))

    def _stage(self) -> Stage:
        """The kdump kernel is the one with /proc/vmcore, and with `restore`."""
        second = (self.root / "proc/vmcore").exists() or (self.root / INTERFACE / "restore").exists()
        return Stage.KDUMP if second else Stage.FIRST

    def _named(self) -> tuple[NamedKey, ...]:
        interface = self.interface
        if interface is None:
            return ()
        found = []
        for path in sorted(each for each in interface.iterdir() if each.is_dir()):
            text = self._word(f"{INTERFACE}/{path.name}/description")
            found.append(NamedKey(path.name, None if text in (None, "", _NO_DESCRIPTION) else text))
        return tuple(found)

    def _warnings(self, named: tuple[NamedKey, ...], *, known: bool, since: str) -> tuple[str, ...]:
        found = []
        if self.interface is None:
            found.append(absent())
        if since:
            found.append(f"{since}, after the load that the record is of: which keys are loaded is not known")
        elif not known and text_of(self.root / RECORD) is None and not Host(self.root).absent(RECORD):
            found.append(f"/{RECORD}, which says which keys the image holds, is not for this user to read")
        elif not known:
            found.append("no record of this boot says which keys the image holds, and the kernel does not")
        found += [
            f"the item {key.item} has no description: a load would fail"
            for key in named
            if not key.description
        ]
        return tuple(found)

    def _first_interface(self) -> Path:
        interface = self.interface
        if interface is None:
            raise kernel_error(errno.ENOENT, absent())
        if self._stage() is Stage.KDUMP:
            raise kernel_error(errno.EPERM, "this is the kdump kernel; it only restores keys")
        return interface

    def record(self) -> LoadRecord | None:
        """What is known of the loaded image; None: nothing, for want of a record or by a later load."""
        last = self.last_record()
        return None if self._since(last) else last

    def last_record(self) -> LoadRecord | None:
        """What kdumpkey's last load of this boot wrote down; None: nothing, or nothing that can be read."""
        record = parse_record(text_of(self.root / RECORD) or "")
        return record if record is not None and record.boot_id == self._boot_id() else None

    def _since(self, record: LoadRecord | None) -> str:
        if record is None:
            return ""
        if record.reserved_bytes not in (None, self._reserved_bytes()):
            return "the reserved memory was resized"
        return loaded_after(Host(self.root), record.loaded_at)

    def _boot_id(self) -> str:
        return self._word("proc/sys/kernel/random/boot_id") or ""

    def _forget_record(self) -> None:
        path = self.root / RECORD
        doing(lambda: path.unlink(missing_ok=True), f"{path} cannot be removed")

    def _write_record(self, record: LoadRecord) -> None:
        path = self.root / RECORD
        doing(lambda: replace_private(path, record.to_text()), f"{path} cannot be written")

    def _word(self, relative: str) -> str | None:
        text = text_of(self.root / relative)
        # A space at the end of a description is part of it.
        return None if text is None else text.removesuffix("\n")

    def _write(self, path: Path, text: str) -> None:
        doing(lambda: self.write(path, text), f"{path} does not take {text!r}")


def _held(record: LoadRecord) -> tuple[HeldKey, ...]:
    return tuple(HeldKey(description, None, record.loaded_at) for description in record.descriptions)


def _recorded(image: CrashImage) -> RecordedImage:
    # Who loads it again, or looks into it, may do so from elsewhere.
    kernel, initrd = ("" if path is None else str(path.absolute()) for path in (image.kernel, image.initrd))
    return RecordedImage(
        kernel,
        initrd,
        image.command_line,
        file_stamp(image.kernel),
        file_stamp(image.initrd),
    )


def file_stamp(path: Path | None) -> str:
    """What changes when a file does, its size and time of change; empty: there is no such file."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return ""
    return "" if found is None else f"{found.st_size}:{found.st_mtime_ns}"


def item_of(description: str) -> str:
    """A directory's name for a description, the same each time."""
    return re.sub(r"[^\w.-]", "_", description, flags=re.ASCII)[:_LONGEST_ITEM].lstrip(".") or "key"
