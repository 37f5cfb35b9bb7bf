"""The one table of options: name, short name, kind of value, and the actions that allow it.

It holds every option of cryptsetup 2.6.1, the keyring options of 2.7, and kdumpkey's own. What an action does
not use it ignores, as cryptsetup does; `actions` says where cryptsetup refuses. Facts: what 2.6.1 answered to
every option with every action.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What an option's value must be."""

    FLAG = "no value"
    TEXT = "any text"
    UINT32 = "an integer of 32 bits without sign"
    INT32 = "an integer of 32 bits"
    UINT64 = "an integer of 64 bits, as strtoull reads it"
    SIZE = "bytes, with a unit or without"


@dataclass(frozen=True)
class Option:
    """One option.

    `actions` names the actions that allow it; None: all. `metavar` stands for the value in help; `help` is
    None for what is only taken for cryptsetup's sake and does nothing here.
    """

    name: str
    kind: Kind = Kind.FLAG
    short: str | None = None
    metavar: str | None = None
    actions: frozenset[str] | None = None
    help: str | None = None


def _on(actions: str) -> frozenset[str]:
    return frozenset(actions.split())


_OPEN = _on("open")
_FORMAT = _on("reencrypt luksFormat")
_REENCRYPT = _on("reencrypt")
_DERIVES = _on("reencrypt luksFormat luksAddKey luksChangeKey luksConvertKey")
_CONFIGURES = _on("reencrypt config luksFormat")
_TCRYPT = _on("open tcryptDump")
_ADD_KEY = _on("luksAddKey")
_UNLOCK = _on("unlock")
_OPENS = _on("open unlock encrypt")
_SLOT = _on("luksAddKey luksChangeKey luksConvertKey luksDump luksFormat luksResume")
_SLOT |= _on("config open reencrypt token unlock encrypt")

_KDUMP = frozenset(
    f"kdump {word}"
    for words in (
        "boot name forget load status reuse unload",
        "crash restore reboot audit wait keyctl save destroy",
    )
    for word in words.split()
)
_MOCK = frozenset({"mock run", "mock shell", "mock scenarios", "demo"})
_REGION = frozenset({"region show", "region simulate", "region entropy", "region compare"})
_COMPARE, _ADVISE = frozenset({"argon2 compare"}), frozenset({"argon2 advise"})
_ARGON2 = _COMPARE | _ADVISE
_ESTIMATE = frozenset({"kdump estimate"})
_DOCTOR = frozenset({"kdump doctor"})
_GENERATE = frozenset({"kdump generate"})
_BOOT = frozenset({"kdump boot"})
_ARM = frozenset({"kdump arm"})
_ONE_POLICY = _REGION - {"region compare"}
_SIZED = _BOOT | _REGION | _ESTIMATE
_TELLS_JSON = _on("unlock encrypt") | _KDUMP | _MOCK | _REGION | _ARGON2 | _ESTIMATE | _DOCTOR | _ARM
_NAME, _LOAD = frozenset({"kdump name"}), frozenset({"kdump load"})
_CRASH = frozenset({"kdump crash"})

_UNBOUND = _on("open unlock luksAddKey luksDump token")

_F, _T, _U, _I, _L, _S = Kind.FLAG, Kind.TEXT, Kind.UINT32, Kind.INT32, Kind.UINT64, Kind.SIZE

OPTIONS: Final[tuple[Option, ...]] = (
    Option("help", _F, "?", help="Show this help, or that of an action"),
    Option("usage", _F, help="Show a line of usage"),
    Option("version", _F, "V", help="Print the version"),
    # How the program speaks.
    Option("batch-mode", _F, "q", help="Ask for no confirmation"),
    Option("verbose", _F, "v", help="Say more: which keyslot, and how the command ended"),
    Option("debug", _F),
    Option("debug-json", _F),
    Option("test-args", _F, help="Check the arguments and do nothing"),
    Option("json", _F, actions=_TELLS_JSON, help="Print the result as JSON"),
    # Where a key comes from.
    Option("key-file", _T, "d", "FILE", help="Read the passphrase from a file (-: standard input)"),
    Option("keyfile-offset", _L, None, "BYTES", help="Skip this much of the key file"),
    Option("keyfile-size", _U, "l", "BYTES", help="Read no more than this of the key file"),
    Option("volume-key-file", _T, None, "FILE", help="The volume key itself is, or goes, here"),
    Option("master-key-file", _T, None, "FILE"),
    Option("volume-key-keyring", _T, None, "KEY", _OPENS, "Take the volume key from a key of the kernel's"),
    Option("link-vk-to-keyring", _T, None, "KEYRING::KEY", _OPENS, "Put the volume key into a keyring"),
    Option(
        "from-kdump",
        _F,
        actions=_OPENS,
        help="Take the volume key that was handed over from the first kernel",
    ),
    Option("kdump-kernel-master-key", _F, actions=_OPENS),
    Option("key-slot", _I, "S", "NUMBER", _SLOT, "Use this keyslot alone"),
    Option("tries", _U, "T", "NUMBER", help="How often a passphrase may be typed wrong (3)"),
    Option("timeout", _U, "t", "SECONDS", help="How long the prompt waits for a passphrase"),
    Option("verify-passphrase", _F, "y", help="Ask for the passphrase twice"),
    Option(
        "unbound", _F, actions=_on("open unlock luksAddKey luksDump token"), help="Try unbound keyslots too"
    ),
    Option("kdf-memory-check", _T, None, "on|off", help="Whether to refuse Argon2 for which memory is short"),
    Option("token-id", _I, None, "NUMBER", help="Use this token alone"),
    Option("token-only", _F, help="Do not ask for a passphrase"),
    Option("token-type", _T, None, "TYPE", help="Use tokens of this type alone"),
    # A simulated machine.
    Option("machine", _T, None, "DIR", _OPENS | _KDUMP, "The simulated machine (or $KDUMPKEY_MACHINE)"),
    Option(
        "session",
        _T,
        None,
        "NAME",
        _OPENS | _KDUMP,
        "Call from this session of the simulated machine (login)",
    ),
    Option(
        "policy", _T, None, "POLICY", _BOOT | _ONE_POLICY, "How keys are placed: upstream, hardened or v1"
    ),
    Option(
        "crashkernel",
        _T,
        None,
        "SIZE",
        _SIZED | _ADVISE,
        "Memory reserved for the kdump kernel (256M)",
    ),
    Option("ram", _S, None, "BYTES", _SIZED, "The machine's memory (4G)"),
    Option("kernel-size", _S, None, "BYTES", _SIZED, "What the kdump kernel takes (70M)"),
    Option("initrd-size", _S, None, "BYTES", _SIZED, "What its initramfs takes (40M)"),
    Option("kernel", _T, None, "FILE", _SIZED | _ARM | _LOAD, "The kdump kernel, a bzImage"),
    Option("initrd", _T, None, "FILE", _SIZED | _ARM | _LOAD, "The kdump kernel's initramfs"),
    Option("keys", _U, None, "NUMBER", _REGION, "How many keys are handed over (1)"),
    Option("samples", _U, None, "NUMBER", frozenset({"region simulate"}), "How many placements (100000)"),
    Option(
        "seed", _U, None, "NUMBER", frozenset({"region show", "region simulate"}), "Make chance repeatable"
    ),
    Option("plot", _T, None, "FILE", _REGION | _COMPARE, "Draw it, too: a .png or .svg (needs matplotlib)"),
    Option("throwaway", _F, actions=_BOOT, help="Its keys protect nothing: do not warn of where they lie"),
    Option("command-line", _T, None, "TEXT", _LOAD | _ARM, "The kdump kernel's command line"),
    Option("count", _U, None, "NUMBER", _NAME, "Name so many keys like this one, numbered"),
    Option("key-timeout", _U, None, "SECONDS", _NAME | _ARM, "When the key expires (300 on Linux)"),
    Option("from-keyring", _F, actions=_ARM, help="Take the keys that are in the keyring already"),
    Option("mount-configfs", _F, actions=_KDUMP | _ARM, help="Mount configfs first, if it is not there"),
    Option("this-machine", _F, actions=_CRASH, help="Crash the machine that this runs on"),
    # What Argon2 costs.
    Option("memory", _T, None, "SIZES", _COMPARE, "Memory to try (64M,128M,256M,512M,1024M)"),
    Option("passes", _T, None, "NUMBERS", _COMPARE, "Time costs to try (4)"),
    Option("parallel", _T, None, "NUMBERS", _COMPARE, "Lanes to try (1, and as many as processors)"),
    Option("runs", _U, None, "NUMBER", _ARGON2, "Runs of each, the median of which counts (3)"),
    Option("reserved", _T, None, "SIZES", _COMPARE, "Reserved memory to judge for (128M,...,1G)"),
    Option("prove", _F, actions=_COMPARE, help="Run each verdict under a real limit of memory"),
    Option("csv", _T, None, "FILE", _COMPARE, "Write it as CSV, too"),
    Option("tiers", _F, actions=_on("benchmark"), help="A row for each implementation of AES-XTS"),
    Option("time", _T, None, "TIME", _ADVISE, "How long unlocking may take (2s)"),
    Option("device", _T, None, "DEVICE", _ADVISE, "The device to be converted"),
    Option("modules-size", _S, None, "BYTES", _ESTIMATE, "What the loaded modules take"),
    Option("apply", _F, actions=_GENERATE, help="Change the file; what was there is kept beside it"),
    Option(
        "root",
        _T,
        None,
        "DIR",
        _ESTIMATE | _DOCTOR | _GENERATE,
        "Look at the machine whose files are under DIR",
    ),
    Option("arch", _T, None, "NAME", _ESTIMATE, "Its architecture: x86_64, aarch64, ppc64le"),
    Option("release", _T, None, "NAME", _ESTIMATE, "The kernel, of those under /boot (the newest)"),
    Option("first-memory", _S, None, "BYTES", _MOCK, "Memory of the first kernel's programs"),
    Option("kdump-memory", _S, None, "BYTES", _MOCK, "Memory of the kdump kernel's programs"),
    Option(
        "unpacked-size",
        _S,
        None,
        "BYTES",
        _MOCK | _ARGON2,
        "What the kdump kernel's initramfs takes unpacked (52M)",
    ),
    # What is opened.
    Option("header", _T, None, "FILE", help="The header is in this file or device"),
    Option("type", _T, "M", "TYPE", help="luks, luks1 or luks2"),
    Option("test-passphrase", _F, actions=_OPEN, help="Only check the passphrase"),
    Option("test", _F, actions=_UNLOCK, help="Only check the key (what unlock does without --to)"),
    Option("readonly", _F, "r", help="Map it so that it takes no writes"),
    # What comes out.
    Option("to", _T, None, "FILE", _UNLOCK, "Decrypt into a file, or with - to standard output"),
    Option("map", _T, None, "NAME", _UNLOCK, "Make a dm-crypt mapping of this name, as open does"),
    Option(
        "from",
        _S,
        None,
        "BYTES",
        _on("unlock encrypt"),
        "Begin here in the plaintext (K, M, G, T)",
    ),
    Option("length", _S, None, "BYTES", _UNLOCK, "Decrypt no more than this"),
    Option("sparse", _F, actions=_UNLOCK, help="Leave runs of zeros as holes in the file"),
    Option("force", _F, actions=_UNLOCK, help="Replace the file if there is one"),
    Option("dump-json-metadata", _F, help="Print the JSON area of a LUKS2 header"),
    Option("dump-volume-key", _F, help="Print the volume key"),
    Option("dump-master-key", _F),
    # Of actions that make or change headers.
    Option("active-name", _T, None, "NAME"),
    Option(
        "align-payload",
        _U,
        None,
        "SECTORS",
        _FORMAT,
        "Begin the data at a multiple of this many sectors of 512 bytes",
    ),
    Option("allow-discards", _F, actions=_OPEN | _UNLOCK, help="Let the mapping pass discards on"),
    Option("block-size", _U, "B", "MIB"),
    Option("cancel-deferred", _F, actions=_on("close"), help="Take a deferred removal back"),
    Option("cipher", _T, "c", "CIPHER", help="The cipher of the data (aes-xts-plain64)"),
    Option("decrypt", _F),
    Option("deferred", _F, actions=_on("close"), help="Remove it when its last user leaves"),
    Option("device-size", _S, None, "BYTES", _on("open resize reencrypt")),
    Option("disable-external-tokens", _F),
    Option("disable-keyring", _F),
    Option("disable-locks", _F),
    Option("disable-veracrypt", _F, actions=_TCRYPT),
    Option("encrypt", _F),
    Option("force-offline-reencrypt", _F, actions=_REENCRYPT),
    Option("force-password", _F),
    Option("hash", _T, "h", "HASH", help="The hash of a keyslot and of the key's digest (sha256)"),
    Option("header-backup-file", _T, None, "FILE", help="Where a header's backup is, or goes"),
    Option("hotzone-size", _S, None, "BYTES", _REENCRYPT),
    Option("init-only", _F),
    Option("integrity", _T, "I", "ALGORITHM", _FORMAT),
    Option("integrity-legacy-padding", _F),
    Option("integrity-no-journal", _F),
    Option("integrity-no-wipe", _F, actions=_FORMAT),
    Option(
        "iter-time",
        _U,
        "i",
        "MS",
        _DERIVES | _on("benchmark"),
        "How long unlocking a keyslot is to take (2000)",
    ),
    Option("iv-large-sectors", _F, actions=_OPEN),
    Option("json-file", _T, None, "FILE", help="The token's JSON (-: standard input or output)"),
    Option("keep-key", _F, actions=_REENCRYPT),
    Option("key-description", _T, None, "TEXT", help="The key that holds the passphrase"),
    Option(
        "key-size",
        _U,
        "s",
        "BITS",
        _on("open unlock encrypt benchmark reencrypt luksFormat luksAddKey"),
        "Size of the volume key, where the header does not say it",
    ),
    Option("keyslot-cipher", _T, None, "CIPHER", _DERIVES, "The cipher of a LUKS2 keyslot (the data's)"),
    Option("keyslot-key-size", _U, None, "BITS", _DERIVES, "Size of that cipher's key"),
    Option("label", _T, None, "TEXT", _CONFIGURES, help="The device's label"),
    Option("luks2-keyslots-size", _S, None, "BYTES", _FORMAT, "Size of the area of all LUKS2 keyslots"),
    Option("luks2-metadata-size", _S, None, "BYTES", _FORMAT, "Size of one copy of the LUKS2 header"),
    Option("new", _F, "N"),
    Option("new-key-slot", _I, None, "NUMBER", _ADD_KEY, "Put the new passphrase into this keyslot"),
    Option("new-keyfile", _T, None, "FILE", _ADD_KEY, "Read the new passphrase from a file"),
    Option("new-keyfile-offset", _L, None, "BYTES", help="Skip this much of the new passphrase's file"),
    Option("new-keyfile-size", _U, None, "BYTES", help="Read no more than this of the new passphrase's file"),
    Option("new-token-id", _I, None, "NUMBER", _ADD_KEY),
    Option(
        "offset",
        _L,
        "o",
        "SECTORS",
        _on("open reencrypt luksFormat"),
        "Begin the data at this sector of 512 bytes",
    ),
    Option("pbkdf", _T, None, "KDF", _DERIVES | _on("benchmark") | _COMPARE, "pbkdf2, argon2i or argon2id"),
    Option("pbkdf-force-iterations", _U, None, "NUMBER", _DERIVES, "Take this cost, and measure nothing"),
    Option("pbkdf-memory", _U, None, "KIB", help="Argon2's memory, at the most (1048576)"),
    Option("pbkdf-parallel", _U, None, "THREADS", help="Argon2's threads, at the most (4)"),
    Option("perf-no_read_workqueue", _F, help="Give dm-crypt its option no_read_workqueue"),
    Option("perf-no_write_workqueue", _F, help="Give dm-crypt its option no_write_workqueue"),
    Option("perf-same_cpu_crypt", _F, help="Give dm-crypt its option same_cpu_crypt"),
    Option("perf-submit_from_crypt_cpus", _F, help="Give dm-crypt its option submit_from_crypt_cpus"),
    Option("persistent", _F, actions=_OPEN),
    Option("priority", _T, None, "ignore|normal|prefer", _on("config"), help="How soon a keyslot is tried"),
    Option("progress-frequency", _U, None, "SECONDS"),
    Option("progress-json", _F, actions=_FORMAT),
    Option("reduce-device-size", _S, None, "BYTES"),
    Option("refresh", _F, actions=_OPEN),
    Option("resilience", _T, None, "TYPE"),
    Option("resilience-hash", _T, None, "HASH"),
    Option("resume-only", _F),
    Option(
        "sector-size",
        _U,
        None,
        "BYTES",
        _on("open reencrypt luksFormat"),
        "The data's encryption sectors: 512, 1024, 2048 or 4096",
    ),
    Option("serialize-memory-hard-pbkdf", _F, actions=_OPEN),
    Option("shared", _F, actions=_OPEN),
    Option("size", _L, "b", "SECTORS", _on("open resize")),
    Option("skip", _L, "p", "SECTORS", _OPEN),
    Option("subsystem", _T, None, "TEXT", _CONFIGURES, help="The device's subsystem"),
    Option("tcrypt-backup", _F, actions=_TCRYPT),
    Option("tcrypt-hidden", _F, actions=_TCRYPT),
    Option("tcrypt-system", _F, actions=_TCRYPT),
    Option("token-replace", _F, actions=_on("token"), help="Put the token into another's place"),
    Option("use-directio", _F),
    Option("use-fsync", _F),
    Option("use-random", _F, actions=_FORMAT),
    Option("use-urandom", _F, actions=_FORMAT),
    Option("uuid", _T, None, "UUID", _on("reencrypt luksFormat luksUUID"), help="The UUID to set"),
    Option("veracrypt", _F),
    Option("veracrypt-pim", _U, None, "NUMBER", _TCRYPT),
    Option("veracrypt-query-pim", _F),
    Option("write-log", _F),
)

BY_NAME: Final = {option.name: option for option in OPTIONS}
BY_SHORT: Final = {option.short: option for option in OPTIONS if option.short}
SAME_AS: Final = {
    "kdump-kernel-master-key": "from-kdump",
    "dump-master-key": "dump-volume-key",
    "master-key-file": "volume-key-file",
}
