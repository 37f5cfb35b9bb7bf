"""Linux's own kernel, by configfs and kexec_file_load: one backend of `Kernel`.

What this kernel can do is told by its files, never by its version. Linux does not tell which keys the loaded
image holds, so each load writes them down (`kdumpkey.kernel.record`). What Linux is known to do wrong is
refused here before anything is lost, because a load that fails destroys the previous image.

Source: kernel documentation, admin-guide/kdump, and what Linux 7.2.13 was seen to do.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kdumpkey.errors import KernelError, kernel_error
from kdumpkey.host.configfs import DIRECTORY, NO_DESCRIPTION
from kdumpkey.host.host import Host, Missing
from kdumpkey.host.kexec import forbidden, kexec_file, read_crash_memory
from kdumpkey.host.later_loads import loaded_after
from kdumpkey.kernel.items import item_of
from kdumpkey.kernel.linux.audit import audit_entries
from kdumpkey.kernel.linux.crash_image import check_image
from kdumpkey.kernel.linux.files import alone, doing, replace_private, text_of, tools_waiting, write_once
from kdumpkey.kernel.linux.find_image import find_image
from kdumpkey.kernel.linux.kexec import load_crash_image, unload_crash_image
from kdumpkey.kernel.linux.load_keys import LinuxKeys
from kdumpkey.kernel.linux.loading import load_or_put_back
from kdumpkey.kernel.linux.restore import absent, restore_keys
from kdumpkey.kernel.protocol import (
    Audit,
    CrashImage,
    HeldKey,
    KernelStatus,
    Keys,
    Loaded,
    NamedKey,
    Restored,
    Stage,
    WantedImage,
)
from kdumpkey.kernel.record import RECORD, KeyOrigin, LoadRecord, RecordedImage, file_stamp, parse_record
from kdumpkey.region.handover import LONGEST_DESCRIPTION, MOST_KEYS

INTERFACE: Final = DIRECTORY
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
        unload_image: Unloads it.
        make_item: Makes a directory in configfs, which fills it with attributes by itself.
        remove_item: Removes it, attributes and all.
        write: Writes a value into a file of the kernel's.
        check: Refuses an image that no load would take, or no machine boot.
        clock: Seconds since the epoch.
        make_keys: Makes the keyrings of this process usable for loads.
        patience_s: For how long to wait for a kdumpctl that is at work.
        begun: Since when other programs have been kept out; None: they have not.
    """

    root: Path = Path("/")
    load_image: Callable[[CrashImage], None] = load_crash_image
    unload_image: Callable[[], None] = unload_crash_image
    make_item: Callable[[Path], None] = Path.mkdir
    remove_item: Callable[[Path], None] = Path.rmdir
    write: Callable[[Path, str], None] = write_once
    check: Callable[[CrashImage], None] = _check_here
    clock: Callable[[], float] = time.time
    make_keys: Callable[[], Keys] = LinuxKeys
    patience_s: float = 60.0
    begun: float | None = None

    @property
    def is_this_machine(self) -> bool:
        """See `Kernel`."""
        return True

    @property
    def keys(self) -> Keys:
        """The keyrings of this process; see `Kernel`."""
        return self.make_keys()

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
            count=self._count(),
            reuse=self._word(f"{INTERFACE}/reuse") == "1",
            loaded=loaded,
            loaded_at=record.loaded_at if loaded and record is not None else None,
            keys=() if not loaded else None if record is None else _held(record),
            restored=self._word(f"{INTERFACE}/restore") == "1" if stage is Stage.KDUMP else None,
            reserved_bytes=size,
            sure=self._is_sure(record, size) if loaded else self._is_empty(),
            warnings=self._warnings(named, known=not loaded or record is not None, since=since),
        )

    def _count(self) -> int | None:
        word = self._word(f"{INTERFACE}/count")
        return int(word) if word is not None and word.isdecimal() else None

    @contextmanager
    def alone(self, *, loading: bool = True) -> Iterator[LinuxKernel]:
        """Keep other programs out; with `loading`, kdumpctl too, which then waits. See `Kernel`."""
        if self.begun is not None:
            yield self
            return
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
        path = _item_path(interface, item or item_of(description))
        doing(lambda: self.make_item(path), f"the item {path.name} cannot be made")
        try:
            self._write(path / "description", description)
        except BaseException:
            self.remove_item(path)
            raise
        return NamedKey(path.name, description)

    def forget(self, item: str) -> None:
        """Stop naming a key; see `Kernel`."""
        path = _item_path(self._first_interface(), item)
        doing(lambda: self.remove_item(path), f"the item {item} cannot be removed")

    def complete(self, wanted: WantedImage) -> CrashImage:
        """Find what was not asked for as kdump's own tools find it; see `Kernel`."""
        if wanted.kernel is not None and wanted.command_line is not None:
            return CrashImage(wanted.kernel, wanted.initrd, wanted.command_line)
        found = find_image(self.root, os.uname().release)
        return CrashImage(
            wanted.kernel or found.kernel,
            wanted.initrd or found.initrd,
            found.command_line if wanted.command_line is None else wanted.command_line,
        )

    def load(self, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:
        """Load the kdump kernel, and if that fails the previous one again; see `Kernel`."""
        with self.alone() as held:
            return load_or_put_back(held, image, origins)

    def load_once(self, image: CrashImage, origins: Sequence[KeyOrigin] = ()) -> Loaded:
        """Load the kdump kernel by one system call; if that fails, no image is loaded any more.

        What is known to fail is refused before the loaded image is lost. There is no record while the kernel
        works, so that being killed leaves what is loaded unknown, never wrong.

        Raises:
            KernelError: As `Kernel.load`.
        """
        named = self._named()
        _check_named(named)
        self.check_allowed()
        self.check(image)
        reused = self._word(f"{INTERFACE}/reuse") == "1"
        before = self.record()
        if reused and before is not None:
            self._check_reuse(before)
        # A kdumpctl that comes now waits, and loads another image after this one: its lock tells when.
        begun = self.clock() if self.begun is None else self.begun
        self._replace_image(image)
        if self._named() != named:
            return Loaded(None, warnings=("another program changed what was named during the load",))
        record = LoadRecord(
            self._boot_id(),
            begun,
            tuple(key.description for key in named if key.description is not None),
            tuple(origin for origin in origins if origin.description in {key.description for key in named}),
            _recorded(image),
            self._reserved_bytes(),
        )
        return self._reused(record, before) if reused else self._recorded_load(record)

    def _replace_image(self, image: CrashImage) -> None:
        """Make the system call, without a record of the image that is loaded meanwhile."""
        last = text_of(self.root / RECORD)
        self._forget_record()
        try:
            self.load_image(image)
        except KernelError as error:
            # EPERM comes before the kernel touches the image: what was loaded still is.
            if error.errno == errno.EPERM and last and self._of_kexec("crash_loaded") == "1":
                doing(lambda: replace_private(self.root / RECORD, last), f"{RECORD} cannot be written")
            raise

    def _reused(self, record: LoadRecord, before: LoadRecord | None) -> Loaded:
        """Record a load that copied the keys of the previous image."""
        warning = "reuse is set: the keys are those of the previous image, not the keyring's"
        if before is None or set(before.descriptions) != set(record.descriptions):
            # Nothing says what the previous image held, so nothing says what this one holds.
            return Loaded(None, reused=True, warnings=(warning,))
        copied = replace(record, loaded_at=before.loaded_at, origins=before.origins)
        return self._recorded_load(copied, warning, reused=True)

    def _recorded_load(self, record: LoadRecord, *warnings: str, reused: bool = False) -> Loaded:
        if not record.descriptions:
            warnings = (*warnings, "no key is named: the image holds none")
        try:
            self._write_record(record)
        except KernelError as error:  # the image is loaded all the same
            warnings = (*warnings, f"{error}; status will not know what was loaded")
        return Loaded(_held(record), reused=reused, warnings=warnings)

    def check_allowed(self) -> None:
        """See `Kernel`."""
        if why := forbidden(Host(self.root)):
            raise kernel_error(errno.EPERM, f"{why}: no image can be loaded until the machine restarts")

    def unload(self) -> None:
        """Unload the image; see `Kernel`."""
        self._forget_record()
        self.unload_image()

    def reuse(self, enabled: bool) -> None:
        """Have the next loads copy the keys of the previous image; see `Kernel`.

        Raises:
            KernelError: EINVAL also where more keys are named than the image is known to hold.
        """
        if enabled:
            self._check_reuse(self.record())
        self._write(self._first_interface() / "reuse", "1" if enabled else "0")

    def crash(self) -> None:
        """Crash this machine at once, after writing its disks' caches out; see `Kernel`."""
        if self._of_kexec("crash_loaded") != "1":
            raise kernel_error(errno.EINVAL, "no crash image is loaded: a crash would leave no dump")
        os.sync()
        self._write(self.root / "proc/sysrq-trigger", "c")

    def restore(self, description: str | None = None) -> Restored:  # noqa: ARG002 - the memory has the names
        """Put the keys into root's user keyring; Linux does not tell what came back. See `Kernel`."""
        restore_keys(self.root, self.write)
        return Restored(None)

    def audit(self) -> Audit:
        """Look at what is named, at the record, and at the keyrings; see `Kernel`."""
        summary = "Linux shows nobody where keys lie in memory; only a simulated machine can be searched."
        return Audit(audit_entries(self.root, self.status()), None, summary)

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
            found.append(NamedKey(path.name, None if text in (None, *NO_DESCRIPTION) else text))
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
        """The record of the loaded image; None: there is no record, or another program has loaded since."""
        last = self.last_record()
        return None if self._since(last) else last

    def last_record(self) -> LoadRecord | None:
        """The record of kdumpkey's last load in this boot; None: there is none that can be read."""
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


def _item_path(interface: Path, item: str) -> Path:
    path = interface / item
    if path.parent != interface or path.name in ("", ".", ".."):
        raise kernel_error(errno.EINVAL, f"{item!r} cannot be the name of an item")
    return path


def _check_named(named: Sequence[NamedKey]) -> None:
    """Refuse names with which Linux fails the load, or hands no key over."""
    for key in named:
        if key.description is None:
            raise kernel_error(errno.EINVAL, f"the item {key.item} has no description; kdump forget it")
    if len(named) > MOST_KEYS:
        raise kernel_error(errno.EINVAL, f"more than {MOST_KEYS} keys are named, none would be restored")


def _held(record: LoadRecord) -> tuple[HeldKey, ...]:
    return tuple(HeldKey(description, None, record.loaded_at) for description in record.descriptions)


def _recorded(image: CrashImage) -> RecordedImage:
    # Absolute: whoever loads it again may do so from another directory.
    kernel, initrd = ("" if path is None else str(path.absolute()) for path in (image.kernel, image.initrd))
    return RecordedImage(
        kernel,
        initrd,
        image.command_line,
        file_stamp(image.kernel),
        file_stamp(image.initrd),
    )
