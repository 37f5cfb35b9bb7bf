"""The typer app: its actions as its help lists them, and what stands for an action: help, usage, version."""

from typing import Any, ClassVar, Final

import typer

from kdumpkey import __version__
from kdumpkey.cli.action import Entry, LazyGroup, flattened
from kdumpkey.cli.manners import Alias, CryptsetupGroup, Line
from kdumpkey.cli.outcome import MEANINGS, PROGRAM, USAGE, exit_code
from kdumpkey.cli.session import Run
from kdumpkey.cli.speech import Speech
from kdumpkey.errors import UsageError
from kdumpkey.storage.transfer import write_in_full
from kdumpkey.streams import encode

ABOUT: Final = (
    "Unlock encrypted volumes in user space, and carry volume keys across a kernel crash. Actions and "
    "options that cryptsetup also has work as they do there."
)
VOLUMES: Final = "Volumes"
CRYPTSETUP: Final = "cryptsetup's actions"
KDUMP: Final = "kdump"
SIMULATOR: Final = "Simulator"
MEASURING: Final = "Measuring"


def _not_done(name: str) -> dict[str, Entry]:
    return {name: Entry("not_done", CRYPTSETUP, "Do what only cryptsetup does", hidden=True)}


def _opening(device_type: str) -> Alias:
    return Alias("open", (("--type", device_type),))


class KdumpGroup(LazyGroup):
    """The kdump actions: of this machine's kernel, or of a simulated machine's."""

    entries: ClassVar = {
        "arm": Entry("arm", KDUMP, "Load the kdump kernel with the volume keys of devices"),
        "doctor": Entry("doctor", KDUMP, "Check whether a crash now would leave a dump"),
        "estimate": Entry("estimate", KDUMP, "Estimate the crashkernel= that this machine needs"),
        "generate": Entry("generate", KDUMP, "Show or apply the changes that configuration files need"),
        "install": Entry("install", KDUMP, "Install kdumpkey-capture and its Python into an initramfs tree"),
        "name": Entry("kdump", KDUMP, "Name a volume key, for the next load to hand over"),
        "forget": Entry("kdump", KDUMP, "Remove a named key"),
        "load": Entry("kdump", KDUMP, "Load the kdump kernel with the named keys"),
        "status": Entry("kdump", KDUMP, "Show which keys the loaded image holds, and how old they are"),
        "reuse": Entry("kdump", KDUMP, "Let the next loads reuse the keys of the loaded image"),
        "unload": Entry("kdump", KDUMP, "Unload the kdump kernel"),
        "crash": Entry("kdump", KDUMP, "Crash the machine, so that the kdump kernel starts"),
        "restore": Entry("kdump", KDUMP, "Restore the keys into the kdump kernel's keyring"),
        "save": Entry("kdump_save", KDUMP, "Write a dump to a volume, with the key that was handed over"),
        "audit": Entry("kdump", KDUMP, "Find keys in reserved memory, including stale copies"),
        "boot": Entry("kdump", SIMULATOR, "Boot a simulated machine with memory for a kdump kernel"),
        "reboot": Entry("kdump", SIMULATOR, "Restart the simulated machine"),
        "wait": Entry("kdump", SIMULATOR, "Move the simulated machine's clock forward"),
        "keyctl": Entry("keyctl", SIMULATOR, "Show and change the simulated machine's keys"),
        "destroy": Entry("kdump", SIMULATOR, "Wipe and remove a simulated machine"),
    }


class RegionGroup(LazyGroup):
    """The region actions: where keys lie in reserved memory."""

    entries: ClassVar = {
        "show": Entry("region", MEASURING, "Draw one layout of the reserved memory"),
        "simulate": Entry(
            "region", MEASURING, "Simulate many loads, and compare with the exact distribution"
        ),
        "entropy": Entry("region", MEASURING, "Compute how unpredictable the keys' place is"),
        "compare": Entry("region", MEASURING, "Compare the placement policies"),
    }


class Argon2Group(LazyGroup):
    """The argon2 actions: what unlocking costs."""

    entries: ClassVar = {
        "compare": Entry("argon2", MEASURING, "Measure what unlocking costs, and where it would open"),
        "advise": Entry("argon2", MEASURING, "Find the strongest Argon2id that a kdump kernel can compute"),
    }


class MockGroup(LazyGroup):
    """The mock actions: scripts under the memory of each kernel."""

    entries: ClassVar = {
        "run": Entry("mock", SIMULATOR, "Run a script or scenario with each kernel's memory"),
        "shell": Entry("mock", SIMULATOR, "Open a shell with each kernel's memory in turn"),
        "scenarios": Entry("mock", SIMULATOR, "List the scenarios that come with kdumpkey"),
    }


_GROUPS: Final[dict[str, type[LazyGroup]]] = {
    "kdump": KdumpGroup,
    "region": RegionGroup,
    "argon2": Argon2Group,
    "mock": MockGroup,
}


class Program(CryptsetupGroup):
    """All actions."""

    entries: ClassVar = {
        "unlock": Entry("unlock", VOLUMES, "Check a key, decrypt a volume (--to) or map it (--map)"),
        "encrypt": Entry("encrypt", VOLUMES, "Encrypt a plaintext image onto a device"),
        "kdump": Entry("", KDUMP, "Hand volume keys over to the kdump kernel"),
        "mock": Entry("", SIMULATOR, "Run scripts with each kernel's memory"),
        "demo": Entry("mock", SIMULATOR, "Show a key survive a crash, and what that saves"),
        "region": Entry("", MEASURING, "Show where keys are placed in reserved memory"),
        "argon2": Entry("", MEASURING, "Measure what unlocking with Argon2 costs"),
        "benchmark": Entry("benchmark", MEASURING, "Measure key derivation and ciphers, as cryptsetup does"),
        "open": Entry("unlock", CRYPTSETUP, "Map a device, or check a passphrase (--test-passphrase)"),
        "close": Entry("mapping", CRYPTSETUP, "Remove a mapping"),
        "status": Entry("mapping", CRYPTSETUP, "Show the state of a mapping"),
        "isLuks": Entry("headers", CRYPTSETUP, "Check whether a device is LUKS: exit code 0 or 1"),
        "luksDump": Entry("dump", CRYPTSETUP, "Show a header"),
        "luksUUID": Entry("headers", CRYPTSETUP, "Print the UUID, or set it (--uuid)"),
        "luksFormat": Entry("format", CRYPTSETUP, "Format a device as LUKS, erasing its data"),
        "luksAddKey": Entry("keyslots", CRYPTSETUP, "Add a passphrase"),
        "luksChangeKey": Entry("keyslots", CRYPTSETUP, "Change a passphrase"),
        "luksConvertKey": Entry("keyslots", CRYPTSETUP, "Change a keyslot's key derivation function"),
        "luksRemoveKey": Entry("keyslot_removal", CRYPTSETUP, "Remove a passphrase and wipe its keyslot"),
        "luksKillSlot": Entry("keyslot_removal", CRYPTSETUP, "Wipe a keyslot by its number"),
        "erase": Entry(
            "keyslot_removal", CRYPTSETUP, "Wipe all keyslots: no passphrase opens the device any more"
        ),
        "config": Entry("configure", CRYPTSETUP, "Set a keyslot's priority, or the label and subsystem"),
        "token": Entry("configure", CRYPTSETUP, "Add, remove, import, export or unassign a token"),
        "luksHeaderBackup": Entry("header_backup", CRYPTSETUP, "Copy the header and its keyslots to a file"),
        "luksHeaderRestore": Entry("header_restore", CRYPTSETUP, "Restore a header from its backup"),
        "convert": Entry("convert", CRYPTSETUP, "Convert a header between LUKS1 and LUKS2"),
        "repair": Entry("repair", CRYPTSETUP, "Repair a damaged header"),
        **_not_done("bitlkDump"),
        **_not_done("fvault2Dump"),
        **_not_done("luksResume"),
        **_not_done("luksSuspend"),
        **_not_done("reencrypt"),
        **_not_done("resize"),
        **_not_done("tcryptDump"),
    }
    aliases: ClassVar = {
        "luksOpen": _opening("luks"),
        "create": _opening("plain"),
        "plainOpen": _opening("plain"),
        "loopaesOpen": _opening("loopaes"),
        "tcryptOpen": _opening("tcrypt"),
        "bitlkOpen": _opening("bitlk"),
        "fvault2Open": _opening("fvault2"),
        "refresh": Alias("open", (("--refresh", None),)),
        "luksClose": Alias("close"),
        "remove": Alias("close"),
        "plainClose": Alias("close"),
        "loopaesClose": Alias("close"),
        "tcryptClose": Alias("close"),
        "bitlkClose": Alias("close"),
        "fvault2Close": Alias("close"),
        "luksErase": Alias("erase"),
        "luksConfig": Alias("config"),
    }

    def load(self, entry: Entry, name: str) -> Any:
        """Build a group, or import an action."""
        if (group := _GROUPS.get(name)) is None:
            command = super().load(entry, name)
            if others := [other for other, alias in self.aliases.items() if alias.action == name]:
                command.epilog = f"{command.epilog}\n\nOther names: {', '.join(others)}"
            return command
        return group(name=name, help=f"{entry.summary}.", add_help_option=False)

    def answer(self, ctx: typer.Context, line: Line) -> None:
        """Give the help, the usage or the version that a line asks for."""
        streams = ctx.obj.streams
        if line.instead == "--usage":
            streams.say(USAGE)
        elif line.instead == "--version":
            streams.say(f"{PROGRAM} {__version__}")
        else:
            self._help(ctx, line.words)

    def invoke(self, ctx: typer.Context) -> int:  # type: ignore[override]
        """Run the action, and tell how it ended if that is wanted."""
        run: Run = ctx.obj
        code = exit_code(run, lambda: super(Program, self).invoke(ctx))
        if run.begun and (run.speech.verbose or run.debug):
            outcome = f"failed with code -{code} ({MEANINGS[code]})" if code else "successful"
            code = max(code, exit_code(run, lambda: run.streams.say(f"Command {outcome}.")))
        return code

    def _help(self, ctx: typer.Context, words: list[str]) -> None:
        from kdumpkey.cli.help_page import help_text  # noqa: PLC0415 - no action waits for it

        try:
            name, command = self.find(ctx, words[:2] if words[:1] and words[0] in _GROUPS else words[:1])
        except UsageError:
            name, command = [], self
        if command.hidden:
            name, command = [], self
        if name:
            context = command.make_context(" ".join(name), [], parent=ctx, resilient_parsing=True)
        else:
            context = ctx
        page = help_text(command, context, ctx.obj.streams).rstrip()
        write_in_full(ctx.obj.streams.stdout, encode(f"{page}\n"))


app = typer.Typer(cls=Program, pretty_exceptions_enable=False)


def program(run: Run, speech: Speech) -> None:
    """Note how the program is to speak."""
    run.speech = speech


app.callback(
    help=ABOUT,
    add_help_option=False,
    subcommand_metavar="ACTION ...",
    options_metavar="[OPTION...]",
)(flattened(program))
