"""The one table of actions: kdumpkey's own, and cryptsetup's, also those that kdumpkey does not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Action:
    """One action.

    `arguments` is how a message describes what must follow, `minimum` how many of them there must be.
    `command` is the function behind it as ``module:function`` within kdumpkey.cli.commands, so that only the
    action that runs is imported; None: an action of cryptsetup's that kdumpkey does not do.
    """

    name: str
    arguments: str
    minimum: int = 1
    help: str = ""
    command: str | None = None


@dataclass(frozen=True)
class Alias:
    """Another name for an action, and the device type that it implies."""

    action: str
    type: str | None = None


ACTIONS: Final[tuple[Action, ...]] = (
    Action(
        "unlock",
        "<device>",
        help="Check a key, decrypt with --to, or map with --map",
        command="unlock:unlock",
    ),
    Action(
        "encrypt",
        "<file|-> <device>",
        2,
        "Write a plaintext image into a device, encrypted",
        "encrypt:encrypt",
    ),
    Action(
        "open",
        "<device> [--type <type>] [<name>]",
        help="Map a device (with --test-passphrase: only check a passphrase or key)",
        command="unlock:open_device",
    ),
    Action("luksDump", "<device>", help="Show a header", command="headers:luks_dump"),
    Action("luksUUID", "<device>", help="Print the UUID, or set it", command="headers:luks_uuid"),
    Action("isLuks", "<device>", help="Tell by the exit code whether it is LUKS", command="headers:is_luks"),
    Action(
        "kdump boot", "", 0, "Make a simulated machine, with memory reserved for a kdump kernel", "kdump:boot"
    ),
    Action(
        "kdump name",
        "[<device>]",
        0,
        "Put a device's volume key into the machine's keyring, to be handed over",
        "kdump:name",
    ),
    Action("kdump forget", "<item>", 1, "Take a named key back", "kdump:forget"),
    Action("kdump load", "", 0, "Load the kdump kernel, and the keys with it", "kdump:load"),
    Action(
        "kdump status", "", 0, "Show whether the loaded image holds the keys, which, how old", "kdump:status"
    ),
    Action("kdump reuse", "<on|off>", 1, "Have loads take the keys of the image before", "kdump:reuse"),
    Action("kdump unload", "", 0, "Give up the loaded image", "kdump:unload"),
    Action("kdump crash", "", 0, "Crash: the kdump kernel runs from here on", "kdump:crash"),
    Action("kdump restore", "", 0, "Put the keys into the kdump kernel's keyring", "kdump:restore"),
    Action("kdump reboot", "", 0, "Switch the machine off and on: its memory is cleared", "kdump:reboot"),
    Action("kdump audit", "", 0, "Find the keys in the reserved memory, stale copies too", "kdump:audit"),
    Action("kdump wait", "<seconds>", 1, "Move the machine's clock forward", "kdump:wait"),
    Action(
        "kdump keyctl",
        "<command> [<argument> ...]",
        1,
        "Look at and change the machine's keys",
        "keyctl:keyctl",
    ),
    Action(
        "kdump save",
        "<device> <file>",
        2,
        "Write a file, a dump, into a volume with the key handed over",
        "kdump_save:save",
    ),
    Action("kdump destroy", "", 0, "Wipe a machine, and remove it", "kdump:destroy"),
    Action("region show", "", 0, "Draw what a crash image puts where in the reserved memory", "region:show"),
    Action("region simulate", "", 0, "Place the keys many times, beside what is due", "region:simulate"),
    Action("region entropy", "", 0, "Say exactly how unpredictable the keys' place is", "region:entropy"),
    Action("region compare", "", 0, "Put the placement policies side by side", "region:compare"),
    Action(
        "argon2 compare",
        "[<device> ...]",
        0,
        "Measure what unlocking costs, and where it fits",
        "argon2:compare",
    ),
    Action("argon2 advise", "", 0, "Find the strongest Argon2 that a kdump kernel opens", "argon2:advise"),
    Action(
        "kdump estimate",
        "[<device> ...]",
        0,
        "Say how much crashkernel= this machine needs, with and without a passphrase",
        "estimate:estimate",
    ),
    Action(
        "kdump arm",
        "<device> ...",
        1,
        "Have this machine's kernel hand the volume keys of devices over, all or none",
        "arm:arm",
    ),
    Action(
        "kdump generate",
        "<crypttab|dracut|initramfs-tools|kdump.conf|systemd|udev> [<device> ...]",
        1,
        "Show, or with --apply make, the change that a file of configuration needs",
        "generate:generate",
    ),
    Action(
        "kdump install",
        "<directory>",
        1,
        "Put kdumpkey with the Python it runs on into an initramfs that is being made",
        "install:install",
    ),
    Action(
        "kdump doctor",
        "[<device> ...]",
        0,
        "Say whether a crash now would leave a dump (0: it would, 1: it would not, 10: cannot tell)",
        "doctor:doctor",
    ),
    Action(
        "mock run", "<script or scenario>", 1, "Run a script under the memory of both kernels", "mock:run"
    ),
    Action(
        "mock shell", "", 0, "A shell under the memory of the first, and then the kdump kernel", "mock:shell"
    ),
    Action("mock scenarios", "", 0, "List the scenarios that are shipped", "mock:scenarios"),
    Action("demo", "", 0, "Show the hand-over of a key across a crash, with real numbers", "mock:demo"),
    Action(
        "benchmark",
        "[--cipher <cipher>]",
        0,
        "Measure key derivation and ciphers",
        "benchmark:benchmark",
    ),
    Action("bitlkDump", "<device>"),
    Action("close", "<name>", help="Remove a mapping", command="mapping:close"),
    Action("config", "<device>", help="Set priority, label or subsystem", command="configure:config"),
    Action(
        "convert",
        "<device>",
        help="Make a LUKS1 header a LUKS2 header, or the other way",
        command="convert:convert",
    ),
    Action("erase", "<device>", help="Wipe all keyslots", command="keyslot_removal:erase_keyslots"),
    Action("fvault2Dump", "<device>"),
    Action(
        "luksAddKey", "<device> [<new key file>]", help="Add a passphrase", command="keyslots:luks_add_key"
    ),
    Action(
        "luksChangeKey",
        "<device> [<key file>]",
        help="Change a passphrase",
        command="keyslots:luks_change_key",
    ),
    Action(
        "luksConvertKey",
        "<device> [<key file>]",
        help="Change a keyslot's key derivation function",
        command="keyslots:luks_convert_key",
    ),
    Action(
        "luksFormat", "<device> [<new key file>]", help="Make a LUKS device", command="format:luks_format"
    ),
    Action(
        "luksHeaderBackup",
        "<device>",
        help="Copy the header and its keyslots into a file",
        command="headers:header_backup",
    ),
    Action(
        "luksHeaderRestore",
        "<device>",
        help="Put a header back from its backup",
        command="configure:header_restore",
    ),
    Action(
        "luksKillSlot",
        "<device> <key slot>",
        2,
        help="Wipe a keyslot by its number",
        command="keyslot_removal:luks_kill_slot",
    ),
    Action(
        "luksRemoveKey",
        "<device> [<key file>]",
        help="Wipe the keyslot that a passphrase opens",
        command="keyslot_removal:luks_remove_key",
    ),
    Action("luksResume", "<device>"),
    Action("luksSuspend", "<device>"),
    Action("reencrypt", "<device>", 0),
    Action("repair", "<device>", help="Mend a damaged header", command="repair:repair"),
    Action("resize", "<name>"),
    Action("status", "<name>", help="Show a mapping", command="mapping:status"),
    Action("tcryptDump", "<device>"),
    Action(
        "token",
        "<add|remove|import|export|unassign> <device>",
        2,
        "Manage tokens",
        "configure:token",
    ),
)

BY_NAME: Final = {action.name: action for action in ACTIONS}

# First words of actions whose names are two words, such as "kdump load".
GROUPS: Final = frozenset(action.name.partition(" ")[0] for action in ACTIONS if " " in action.name)

ALIASES: Final = {
    "luksOpen": Alias("open", "luks"),
    "create": Alias("open", "plain"),
    "plainOpen": Alias("open", "plain"),
    "loopaesOpen": Alias("open", "loopaes"),
    "tcryptOpen": Alias("open", "tcrypt"),
    "bitlkOpen": Alias("open", "bitlk"),
    "fvault2Open": Alias("open", "fvault2"),
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
