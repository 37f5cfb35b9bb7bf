"""The options of all actions, as annotated types: each is declared here, once.

Every option of cryptsetup 2.6.1 and of 2.8 is here, and kdumpkey's own. An action takes those that its
function names; what cryptsetup ignores on an action is listed where the action is declared. An option that
says something else on some actions is `like` the first one, with another help.
"""

from __future__ import annotations

from typing import Annotated, Final

from kdumpkey.cli import parsers
from kdumpkey.cli.declaring import choice, flag, like, number, size, text

CALIBRATIONS: Final = ("cryptsetup", "fast")
KDFS: Final = ("pbkdf2", "argon2i", "argon2id")
POLICIES: Final = ("v1", "upstream", "hardened")
_CIPHERS: Final = ("aes-xts-plain64", "aes-cbc-essiv:sha256", "aes-cbc-plain64")
_HASHES: Final = ("sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160", "whirlpool")
_TYPES: Final = ("luks", "luks1", "luks2")


# What every action takes, and where the program is told what to do instead of an action.
EVERY_ACTION: Final = "Options of every action"
Help = Annotated[bool, flag("--help", "-?", help="Show this help and exit", panel=EVERY_ACTION)]
Usage = Annotated[bool, flag("--usage", help="Show one line of usage and exit", panel=EVERY_ACTION)]
Version = Annotated[bool, flag("--version", "-V", help="Print the version and exit", panel=EVERY_ACTION)]
BatchMode = Annotated[
    bool, flag("--batch-mode", "-q", help="Do not ask for confirmation", panel=EVERY_ACTION)
]
Verbose = Annotated[
    bool,
    flag(
        "--verbose", "-v", help="Print which keyslot was used, and how the command ended", panel=EVERY_ACTION
    ),
]
Debug = Annotated[
    bool,
    flag(
        "--debug", help="Print what a bug report needs to standard error; never a secret", panel=EVERY_ACTION
    ),
]
DebugJson = Annotated[
    bool, flag("--debug-json", help="Print that, and the LUKS2 metadata", panel=EVERY_ACTION)
]
TestArgs = Annotated[
    bool, flag("--test-args", help="Check the arguments, then do nothing", panel=EVERY_ACTION)
]
Json = Annotated[bool, flag("--json", help="Print the result as JSON")]

# Where a key comes from.
KeyFile = Annotated[
    str | None,
    text("--key-file", "-d", metavar="FILE", help="Read the passphrase from this file (-: standard input)"),
]
KeyfileOffset = Annotated[
    int | None,
    number(
        "--keyfile-offset",
        metavar="BYTES",
        parser=parsers.uint64,
        help="Skip this many bytes of the key file",
    ),
]
KeyfileSize = Annotated[
    int | None, number("--keyfile-size", "-l", metavar="BYTES", help="Read this many bytes of the key file")
]
VolumeKeyFile = Annotated[
    str | None, text("--volume-key-file", metavar="FILE", help="Read the volume key itself from this file")
]
VolumeKeyOutput = Annotated[str | None, like(VolumeKeyFile, help="Write the dumped key to this file")]
VolumeKeyKeyring = Annotated[
    str | None,
    text(
        "--volume-key-keyring",
        metavar="KEY",
        help="Read the volume key from this key in the kernel's keyring",
    ),
]
LinkVkToKeyring = Annotated[
    str | None,
    text("--link-vk-to-keyring", metavar="KEY", help="Link the volume key into a keyring, as KEYRING::KEY"),
]
FromKdump = Annotated[
    bool,
    flag(
        "--from-kdump",
        help="Use the volume key that the crashed kernel handed over",
    ),
]
KeySlot = Annotated[
    int | None, number("--key-slot", "-S", parser=parsers.keyslot, help="Use only this keyslot")
]
KeySize = Annotated[
    int | None,
    number(
        "--key-size",
        "-s",
        metavar="BITS",
        parser=parsers.key_bits,
        help="Set the size of the volume key if no header gives it",
    ),
]
Tries = Annotated[int | None, number("--tries", "-T", help="Allow this many attempts at the passphrase (3)")]
Timeout = Annotated[
    int | None,
    number("--timeout", "-t", metavar="SECONDS", help="Wait this long for the passphrase"),
]
VerifyPassphrase = Annotated[bool, flag("--verify-passphrase", "-y", help="Ask for the passphrase twice")]
Unbound = Annotated[bool, flag("--unbound", help="Also use keyslots that are not bound to a segment")]
KdfMemoryCheck = Annotated[
    str | None,
    choice(
        "--kdf-memory-check",
        words=("on", "off"),
        help="Refuse Argon2 keyslots that need more memory than is available (on)",
    ),
]
TokenId = Annotated[
    int | None, number("--token-id", parser=parsers.number_or_any, help="Use only this token")
]
TokenOnly = Annotated[bool, flag("--token-only", help="Use only tokens, and do not ask for a passphrase")]
TokenType = Annotated[str | None, text("--token-type", metavar="TYPE", help="Use only tokens of this type")]

# What is opened.
Header = Annotated[
    str | None, text("--header", metavar="FILE", help="Read the header from this file or device")
]
DeviceType = Annotated[
    str | None,
    text("--type", "-M", metavar="TYPE", help="Require this type: luks, luks1 or luks2", words=_TYPES),
]
TestPassphrase = Annotated[
    bool, flag("--test-passphrase", help="Check the passphrase, but do not map the volume")
]
Test = Annotated[bool, flag("--test", help="Check the key and write nothing (default)")]
Readonly = Annotated[bool, flag("--readonly", "-r", help="Map the volume read-only")]
AllowDiscards = Annotated[bool, flag("--allow-discards", help="Pass discards (TRIM) through to the device")]
NoReadWorkqueue = Annotated[
    bool, flag("--perf-no_read_workqueue", help="Give dm-crypt the option no_read_workqueue")
]
NoWriteWorkqueue = Annotated[
    bool, flag("--perf-no_write_workqueue", help="Give dm-crypt the option no_write_workqueue")
]
SameCpuCrypt = Annotated[bool, flag("--perf-same_cpu_crypt", help="Give dm-crypt the option same_cpu_crypt")]
SubmitFromCryptCpus = Annotated[
    bool, flag("--perf-submit_from_crypt_cpus", help="Give dm-crypt the option submit_from_crypt_cpus")
]
HighPriority = Annotated[bool, flag("--perf-high_priority", help="Give dm-crypt the option high_priority")]
Persistent = Annotated[bool, flag("--persistent", help="Store the mapping's flags in the LUKS2 header")]
Refresh = Annotated[bool, flag("--refresh")]
DisableKeyring = Annotated[bool, flag("--disable-keyring")]
Deferred = Annotated[bool, flag("--deferred", help="Remove the mapping once nobody uses it any more")]
CancelDeferred = Annotated[bool, flag("--cancel-deferred", help="Cancel a deferred removal")]

# Where plaintext goes and comes from.
To = Annotated[str | None, text("--to", metavar="FILE", help="Decrypt to this file (-: standard output)")]
Map = Annotated[str | None, text("--map", metavar="NAME", help="Map the volume as /dev/mapper/NAME")]
Start = Annotated[int | None, size("--from", help="Start at this offset in the plaintext")]
Length = Annotated[int | None, size("--length", help="Decrypt at most this much")]
Sparse = Annotated[bool, flag("--sparse", help="Write zeros as holes in the file")]
Force = Annotated[
    bool,
    flag("--force", help="Replace an existing file; read a truncated device as far as it goes"),
]

# What a header shows and stores.
DumpJsonMetadata = Annotated[bool, flag("--dump-json-metadata", help="Print the JSON area of a LUKS2 header")]
DumpVolumeKey = Annotated[bool, flag("--dump-volume-key", help="Print the volume key")]
HeaderBackupFile = Annotated[
    str | None, text("--header-backup-file", metavar="FILE", help="Use this file as the header backup")
]
Uuid = Annotated[str | None, text("--uuid", metavar="UUID", help="Set the UUID")]
Label = Annotated[str | None, text("--label", help="Set the LUKS2 device's label")]
Subsystem = Annotated[str | None, text("--subsystem", help="Set the LUKS2 device's subsystem")]
Priority = Annotated[
    str | None,
    choice("--priority", words=("ignore", "normal", "prefer"), help="Set the priority of the keyslot"),
]
JsonFile = Annotated[
    str | None,
    text("--json-file", metavar="FILE", help="Read or write the token's JSON here (-: standard streams)"),
]
KeyDescription = Annotated[
    str | None, text("--key-description", help="Use this key description in the kernel's keyring")
]
PassphraseKey = Annotated[
    str | None,
    like(KeyDescription, metavar="KEY", help="Read the passphrase from this key in the user keyring"),
]
NewPassphraseKey = Annotated[
    str | None,
    text(
        "--new-key-description",
        metavar="KEY",
        help="Read the new passphrase from this key in the user keyring",
    ),
]
TokenReplace = Annotated[bool, flag("--token-replace", help="Replace an existing token with this number")]

# How a header or a keyslot is made.
Cipher = Annotated[
    str | None,
    text(
        "--cipher", "-c", metavar="CIPHER", help="Encrypt with this cipher (aes-xts-plain64)", words=_CIPHERS
    ),
]
Hash = Annotated[
    str | None,
    text(
        "--hash",
        "-h",
        metavar="HASH",
        help="Use this hash for the keyslot and the digest (sha256)",
        words=_HASHES,
    ),
]
IterTime = Annotated[
    int | None,
    number(
        "--iter-time",
        "-i",
        metavar="MS",
        help="Make unlocking the keyslot take this many milliseconds (2000)",
    ),
]
Calibrate = Annotated[
    str | None,
    text(
        "--calibrate",
        metavar="IMPLEMENTATION",
        parser=parsers.one_of("calibrate", CALIBRATIONS),
        help="Let --iter-time mean cryptsetup's own speed, or kdumpkey's: cryptsetup (default) or fast",
        words=CALIBRATIONS,
    ),
]
Pbkdf = Annotated[
    str | None,
    text(
        "--pbkdf",
        metavar="KDF",
        parser=parsers.kdf,
        help="Derive keys with pbkdf2, argon2i or argon2id",
        words=KDFS,
    ),
]
PbkdfForceIterations = Annotated[
    int | None, number("--pbkdf-force-iterations", help="Use this many iterations instead of measuring them")
]
PbkdfMemory = Annotated[
    int | None, number("--pbkdf-memory", metavar="KIB", help="Limit Argon2's memory, in KiB (1048576)")
]
PbkdfParallel = Annotated[
    int | None, number("--pbkdf-parallel", metavar="THREADS", help="Limit Argon2's threads (4)")
]
KeyslotCipher = Annotated[
    str | None,
    text(
        "--keyslot-cipher",
        metavar="CIPHER",
        help="Encrypt the LUKS2 keyslot with this cipher (that of the data)",
        words=_CIPHERS,
    ),
]
KeyslotKeySize = Annotated[
    int | None,
    number(
        "--keyslot-key-size",
        metavar="BITS",
        parser=parsers.key_bits,
        help="Set the key size of the keyslot's cipher",
    ),
]
NewKeySlot = Annotated[
    int | None,
    number("--new-key-slot", parser=parsers.number_or_any, help="Use this keyslot for the new passphrase"),
]
NewKeyfile = Annotated[
    str | None, text("--new-keyfile", metavar="FILE", help="Read the new passphrase from this file")
]
NewKeyfileOffset = Annotated[
    int | None,
    number(
        "--new-keyfile-offset",
        metavar="BYTES",
        parser=parsers.uint64,
        help="Skip this many bytes of the new key file",
    ),
]
NewKeyfileSize = Annotated[
    int | None,
    number("--new-keyfile-size", metavar="BYTES", help="Read this many bytes of the new key file"),
]
NewTokenId = Annotated[int | None, number("--new-token-id", parser=parsers.number_or_any)]
AlignPayload = Annotated[
    int | None,
    number(
        "--align-payload", metavar="SECTORS", help="Align the start of the data to this many 512-byte sectors"
    ),
]
Offset = Annotated[
    int | None,
    number(
        "--offset",
        "-o",
        metavar="SECTORS",
        parser=parsers.uint64,
        help="Start the data at this 512-byte sector",
    ),
]
SectorSize = Annotated[
    int | None,
    number(
        "--sector-size",
        metavar="BYTES",
        parser=parsers.sector_size,
        help="Encrypt in sectors of this size: 512, 1024, 2048 or 4096",
        words=("512", "1024", "2048", "4096"),
    ),
]
Luks2KeyslotsSize = Annotated[
    int | None, size("--luks2-keyslots-size", help="Reserve this much space for the LUKS2 keyslots")
]
Luks2MetadataSize = Annotated[
    int | None, size("--luks2-metadata-size", help="Set the size of each copy of the LUKS2 header")
]
Integrity = Annotated[str | None, text("--integrity", "-I")]
IntegrityNoWipe = Annotated[bool, flag("--integrity-no-wipe")]
IntegrityInline = Annotated[bool, flag("--integrity-inline")]
IntegrityKeySize = Annotated[int | None, number("--integrity-key-size")]
HwOpal = Annotated[bool, flag("--hw-opal")]
HwOpalOnly = Annotated[bool, flag("--hw-opal-only")]
HwOpalFactoryReset = Annotated[bool, flag("--hw-opal-factory-reset")]
DisableBlkid = Annotated[bool, flag("--disable-blkid", help="Do not look for existing data on the device")]
UseRandom = Annotated[bool, flag("--use-random")]
UseUrandom = Annotated[bool, flag("--use-urandom")]
Tiers = Annotated[bool, flag("--tiers", help="Show one row for each implementation of AES-XTS")]

# Options of cryptsetup that change nothing here; some contradict others.
ActiveName = Annotated[str | None, text("--active-name")]
BlockSize = Annotated[int | None, number("--block-size", "-B")]
Decrypt = Annotated[bool, flag("--decrypt")]
DeviceSize = Annotated[int | None, number("--device-size", parser=parsers.device_size)]
DisableExternalTokens = Annotated[bool, flag("--disable-external-tokens")]
DisableLocks = Annotated[bool, flag("--disable-locks")]
DisableVeracrypt = Annotated[bool, flag("--disable-veracrypt")]
Encrypt = Annotated[bool, flag("--encrypt")]
ExternalTokensPath = Annotated[str | None, text("--external-tokens-path")]
ForceNoKeyslots = Annotated[bool, flag("--force-no-keyslots")]
ForceOfflineReencrypt = Annotated[bool, flag("--force-offline-reencrypt")]
ForcePassword = Annotated[bool, flag("--force-password")]
HotzoneSize = Annotated[int | None, size("--hotzone-size")]
InitOnly = Annotated[bool, flag("--init-only")]
IntegrityLegacyPadding = Annotated[bool, flag("--integrity-legacy-padding")]
IntegrityNoJournal = Annotated[bool, flag("--integrity-no-journal")]
IvLargeSectors = Annotated[bool, flag("--iv-large-sectors")]
KeepKey = Annotated[bool, flag("--keep-key")]
New = Annotated[bool, flag("--new", "-N")]
NewKeySize = Annotated[int | None, number("--new-key-size", parser=parsers.key_bits)]
NewVolumeKeyFile = Annotated[str | None, text("--new-volume-key-file")]
NewVolumeKeyKeyring = Annotated[str | None, text("--new-volume-key-keyring")]
ProgressFrequency = Annotated[int | None, number("--progress-frequency")]
ProgressJson = Annotated[bool, flag("--progress-json")]
ReduceDeviceSize = Annotated[int | None, number("--reduce-device-size", parser=parsers.reduce_size)]
Resilience = Annotated[str | None, text("--resilience")]
ResilienceHash = Annotated[str | None, text("--resilience-hash")]
ResumeOnly = Annotated[bool, flag("--resume-only")]
SerializeMemoryHardPbkdf = Annotated[
    bool,
    flag("--serialize-memory-hard-pbkdf", help="Wait while another process runs Argon2 with much memory"),
]
Shared = Annotated[bool, flag("--shared")]
Size = Annotated[int | None, number("--size", "-b", parser=parsers.uint64)]
Skip = Annotated[int | None, number("--skip", "-p", parser=parsers.uint64)]
TcryptBackup = Annotated[bool, flag("--tcrypt-backup")]
TcryptHidden = Annotated[bool, flag("--tcrypt-hidden")]
TcryptSystem = Annotated[bool, flag("--tcrypt-system")]
UseDirectio = Annotated[bool, flag("--use-directio")]
UseFsync = Annotated[bool, flag("--use-fsync")]
Veracrypt = Annotated[bool, flag("--veracrypt")]
VeracryptPim = Annotated[int | None, number("--veracrypt-pim")]
VeracryptQueryPim = Annotated[bool, flag("--veracrypt-query-pim")]
WriteLog = Annotated[bool, flag("--write-log")]

# Spelled as those above, and refused unless open is for another type of device.
PlainOffset = Annotated[int | None, like(Offset)]
PlainSectorSize = Annotated[int | None, like(SectorSize)]

# A machine, simulated or real.
MachineFolder = Annotated[
    str | None,
    text("--machine", metavar="DIR", help="Use the simulated machine in this directory ($KDUMPKEY_MACHINE)"),
]
SessionName = Annotated[
    str | None,
    text(
        "--session",
        metavar="NAME",
        help="Act from this session of the simulated machine ($KDUMPKEY_SESSION, login)",
    ),
]
MountConfigfs = Annotated[bool, flag("--mount-configfs", help="Mount configfs if it is not mounted")]
Policy = Annotated[
    str | None,
    text(
        "--policy",
        metavar="POLICY",
        help="Place keys by this policy: upstream, hardened or v1",
        words=POLICIES,
    ),
]
Crashkernel = Annotated[
    str | None, text("--crashkernel", metavar="SIZE", help="Assume this crashkernel= parameter (256M)")
]
Ram = Annotated[int | None, size("--ram", help="Assume a machine with this much memory (4G)")]
KernelSize = Annotated[int | None, size("--kernel-size", help="Assume a kdump kernel of this size (70M)")]
InitrdSize = Annotated[int | None, size("--initrd-size", help="Assume an initramfs of this size (40M)")]
KernelFile = Annotated[str | None, text("--kernel", metavar="FILE", help="Use this kdump kernel")]
InitrdFile = Annotated[str | None, text("--initrd", metavar="FILE", help="Use this initramfs")]
CommandLine = Annotated[str | None, text("--command-line", help="Pass this command line to the kdump kernel")]
Throwaway = Annotated[
    bool, flag("--throwaway", help="Do not warn about stored keys: they are throw-away keys")
]
Count = Annotated[int | None, number("--count", help="Name this many numbered copies of the key")]
KeyTimeout = Annotated[
    int | None,
    number("--key-timeout", metavar="SECONDS", help="Let the key expire after this time (300 on Linux)"),
]
FromKeyring = Annotated[bool, flag("--from-keyring", help="Use the keys that are already in the keyring")]
ThisMachine = Annotated[bool, flag("--this-machine", help="Really crash the machine that this runs on")]
Apply = Annotated[bool, flag("--apply", help="Make the change, and keep the old file beside the new one")]
Root = Annotated[
    str | None, text("--root", metavar="DIR", help="Examine the machine whose files are in this directory")
]
Arch = Annotated[
    str | None,
    text(
        "--arch",
        metavar="NAME",
        help="Assume this architecture: x86_64, aarch64 or ppc64le",
        words=("x86_64", "aarch64", "ppc64le"),
    ),
]
Release = Annotated[
    str | None, text("--release", metavar="NAME", help="Use this kernel release from /boot (the newest)")
]
ModulesSize = Annotated[
    int | None, size("--modules-size", help="Assume that the loaded modules take this much")
]

# What is measured and simulated.
Keys = Annotated[int | None, number("--keys", help="Hand over this many keys (1)")]
Samples = Annotated[int | None, number("--samples", help="Simulate this many loads (100000)")]
Seed = Annotated[int | None, number("--seed", help="Seed the random generator, for repeatable results")]
Plot = Annotated[
    str | None,
    text("--plot", metavar="FILE", help="Also write a plot to this .png or .svg file (needs matplotlib)"),
]
Memory = Annotated[
    str | None,
    text("--memory", metavar="SIZES", help="Try these amounts of memory (64M,128M,256M,512M,1024M)"),
]
Passes = Annotated[str | None, text("--passes", metavar="NUMBERS", help="Try these numbers of passes (4)")]
Parallel = Annotated[
    str | None,
    text("--parallel", metavar="NUMBERS", help="Try these numbers of lanes (1, and all processors)"),
]
Runs = Annotated[int | None, number("--runs", help="Take the median of this many runs (3)")]
Reserved = Annotated[
    str | None,
    text("--reserved", metavar="SIZES", help="Judge for these sizes of reserved memory (128M,...,1G)"),
]
Prove = Annotated[bool, flag("--prove", help="Check each verdict under a real memory limit")]
Csv = Annotated[str | None, text("--csv", metavar="FILE", help="Also write the results to this CSV file")]
Time = Annotated[
    str | None, text("--time", metavar="TIME", help="Allow this time for unlocking, such as 2s or 500ms (2s)")
]
AdvisedDevice = Annotated[
    str | None, text("--device", metavar="DEVICE", help="Compare with the keyslots of this device")
]
FirstMemory = Annotated[
    int | None, size("--first-memory", help="Limit the memory of programs under the first kernel")
]
KdumpMemory = Annotated[
    int | None, size("--kdump-memory", help="Limit the memory of programs under the kdump kernel")
]
UnpackedSize = Annotated[
    int | None, size("--unpacked-size", help="Assume an unpacked initramfs of this size (52M)")
]

# Old spellings, which scripts still use.
OTHER_SPELLINGS: Final = {
    "--dump-master-key": "--dump-volume-key",
    "--kdump-kernel-master-key": "--from-kdump",
    "--master-key-file": "--volume-key-file",
}

# What cryptsetup takes with every action.
EVERYWHERE: Final = (
    KeyFile,
    KeyfileOffset,
    KeyfileSize,
    VolumeKeyFile,
    Tries,
    Timeout,
    VerifyPassphrase,
    KdfMemoryCheck,
    TokenId,
    TokenOnly,
    TokenType,
    Header,
    DeviceType,
    Readonly,
    DumpJsonMetadata,
    DumpVolumeKey,
    ActiveName,
    BlockSize,
    Cipher,
    Decrypt,
    DisableExternalTokens,
    DisableKeyring,
    DisableLocks,
    Encrypt,
    ForcePassword,
    Hash,
    HeaderBackupFile,
    InitOnly,
    IntegrityKeySize,
    IntegrityLegacyPadding,
    IntegrityNoJournal,
    JsonFile,
    KeyDescription,
    New,
    NewKeyfileOffset,
    NewKeyfileSize,
    PbkdfMemory,
    PbkdfParallel,
    HighPriority,
    NoReadWorkqueue,
    NoWriteWorkqueue,
    SameCpuCrypt,
    SubmitFromCryptCpus,
    ProgressFrequency,
    ReduceDeviceSize,
    Resilience,
    ResilienceHash,
    ResumeOnly,
    UseDirectio,
    UseFsync,
    Veracrypt,
    VeracryptQueryPim,
    WriteLog,
)
