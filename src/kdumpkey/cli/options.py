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
Help = Annotated[bool, flag("--help", "-?", help="Show this help", panel=EVERY_ACTION)]
Usage = Annotated[bool, flag("--usage", help="Show a line of usage", panel=EVERY_ACTION)]
Version = Annotated[bool, flag("--version", "-V", help="Print the version", panel=EVERY_ACTION)]
BatchMode = Annotated[bool, flag("--batch-mode", "-q", help="Ask for no confirmation", panel=EVERY_ACTION)]
Verbose = Annotated[
    bool,
    flag("--verbose", "-v", help="Say which keyslot was used, and how it ended", panel=EVERY_ACTION),
]
Debug = Annotated[
    bool, flag("--debug", help="Say on standard error what a bug report needs", panel=EVERY_ACTION)
]
DebugJson = Annotated[bool, flag("--debug-json", help="The same, with LUKS2 metadata", panel=EVERY_ACTION)]
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
    str | None, text("--volume-key-file", metavar="FILE", help="Take the volume key itself from this file")
]
VolumeKeyOutput = Annotated[str | None, like(VolumeKeyFile, help="Write the dumped key to this file")]
VolumeKeyKeyring = Annotated[
    str | None,
    text("--volume-key-keyring", metavar="KEY", help="Take the volume key from this key of the kernel's"),
]
LinkVkToKeyring = Annotated[
    str | None,
    text("--link-vk-to-keyring", metavar="KEY", help="Link the volume key to a keyring (KEYRING::KEY)"),
]
FromKdump = Annotated[
    bool,
    flag(
        "--from-kdump",
        help="Take the volume key that the crashed kernel handed over",
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
        help="Set the size of the volume key where the header does not say it",
    ),
]
Tries = Annotated[
    int | None, number("--tries", "-T", help="Ask for a mistyped passphrase this many times (3)")
]
Timeout = Annotated[
    int | None,
    number("--timeout", "-t", metavar="SECONDS", help="Wait this long for a passphrase to be typed"),
]
VerifyPassphrase = Annotated[bool, flag("--verify-passphrase", "-y", help="Ask for the passphrase twice")]
Unbound = Annotated[bool, flag("--unbound", help="Use keyslots that are bound to no segment, too")]
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
TokenOnly = Annotated[bool, flag("--token-only", help="Try tokens, and ask for no passphrase")]
TokenType = Annotated[str | None, text("--token-type", metavar="TYPE", help="Use only tokens of this type")]

# What is opened.
Header = Annotated[
    str | None, text("--header", metavar="FILE", help="Find the header in this file or device")
]
DeviceType = Annotated[
    str | None, text("--type", "-M", metavar="TYPE", help="Expect luks, luks1 or luks2", words=_TYPES)
]
TestPassphrase = Annotated[bool, flag("--test-passphrase", help="Check the passphrase, and map nothing")]
Test = Annotated[bool, flag("--test", help="Check the key, and write nothing (the default)")]
Readonly = Annotated[bool, flag("--readonly", "-r", help="Map the volume read-only")]
AllowDiscards = Annotated[bool, flag("--allow-discards", help="Let the mapping pass discards to the device")]
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
Persistent = Annotated[bool, flag("--persistent", help="Keep the mapping's flags in the LUKS2 header")]
Refresh = Annotated[bool, flag("--refresh")]
DisableKeyring = Annotated[bool, flag("--disable-keyring")]
Deferred = Annotated[bool, flag("--deferred", help="Remove the mapping when its last user leaves")]
CancelDeferred = Annotated[bool, flag("--cancel-deferred", help="Cancel a deferred removal")]

# Where plaintext goes and comes from.
To = Annotated[str | None, text("--to", metavar="FILE", help="Decrypt to this file (-: standard output)")]
Map = Annotated[str | None, text("--map", metavar="NAME", help="Make a dm-crypt mapping of this name")]
Start = Annotated[int | None, size("--from", help="Start at this plaintext offset")]
Length = Annotated[int | None, size("--length", help="Decrypt no more than this")]
Sparse = Annotated[bool, flag("--sparse", help="Leave holes in the file where the plaintext is zeros")]
Force = Annotated[
    bool,
    flag("--force", help="Replace the file if it exists; of a device that was cut short, take what is there"),
]

# What a header shows and stores.
DumpJsonMetadata = Annotated[bool, flag("--dump-json-metadata", help="Print the JSON area of a LUKS2 header")]
DumpVolumeKey = Annotated[bool, flag("--dump-volume-key", help="Print the volume key")]
HeaderBackupFile = Annotated[
    str | None, text("--header-backup-file", metavar="FILE", help="Use this file for the header's backup")
]
Uuid = Annotated[str | None, text("--uuid", metavar="UUID", help="Set this UUID")]
Label = Annotated[str | None, text("--label", help="Set the LUKS2 device's label")]
Subsystem = Annotated[str | None, text("--subsystem", help="Set the LUKS2 device's subsystem")]
Priority = Annotated[
    str | None,
    choice("--priority", words=("ignore", "normal", "prefer"), help="Set when the keyslot is tried"),
]
JsonFile = Annotated[
    str | None,
    text("--json-file", metavar="FILE", help="Use this file for the token's JSON (-: standard streams)"),
]
KeyDescription = Annotated[str | None, text("--key-description", help="Name the key in the kernel's keyring")]
PassphraseKey = Annotated[
    str | None,
    like(KeyDescription, metavar="KEY", help="Take the passphrase from this key of the user keyring"),
]
NewPassphraseKey = Annotated[
    str | None,
    text(
        "--new-key-description",
        metavar="KEY",
        help="Take the new passphrase from this key of the user keyring",
    ),
]
TokenReplace = Annotated[bool, flag("--token-replace", help="Replace the token that has this number")]

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
        help="Use this hash in keyslots and for the key's digest (sha256)",
        words=_HASHES,
    ),
]
IterTime = Annotated[
    int | None,
    number(
        "--iter-time", "-i", metavar="MS", help="Let unlocking a keyslot take this many milliseconds (2000)"
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
        help="Derive keys by pbkdf2, argon2i or argon2id",
        words=KDFS,
    ),
]
PbkdfForceIterations = Annotated[
    int | None, number("--pbkdf-force-iterations", help="Use this cost instead of measuring one")
]
PbkdfMemory = Annotated[
    int | None, number("--pbkdf-memory", metavar="KIB", help="Limit Argon2's memory (1048576)")
]
PbkdfParallel = Annotated[
    int | None, number("--pbkdf-parallel", metavar="THREADS", help="Limit Argon2's threads (4)")
]
KeyslotCipher = Annotated[
    str | None,
    text(
        "--keyslot-cipher",
        metavar="CIPHER",
        help="Encrypt the LUKS2 keyslot with this cipher (the data's)",
        words=_CIPHERS,
    ),
]
KeyslotKeySize = Annotated[
    int | None,
    number("--keyslot-key-size", metavar="BITS", parser=parsers.key_bits, help="Set that cipher's key size"),
]
NewKeySlot = Annotated[
    int | None,
    number("--new-key-slot", parser=parsers.number_or_any, help="Put the new passphrase into this keyslot"),
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
        help="Skip this many bytes of the new passphrase's file",
    ),
]
NewKeyfileSize = Annotated[
    int | None,
    number("--new-keyfile-size", metavar="BYTES", help="Read this many bytes of the new passphrase's file"),
]
NewTokenId = Annotated[int | None, number("--new-token-id", parser=parsers.number_or_any)]
AlignPayload = Annotated[
    int | None,
    number("--align-payload", metavar="SECTORS", help="Align the data to this many sectors of 512 bytes"),
]
Offset = Annotated[
    int | None,
    number(
        "--offset",
        "-o",
        metavar="SECTORS",
        parser=parsers.uint64,
        help="Start the data at this sector of 512 bytes",
    ),
]
SectorSize = Annotated[
    int | None,
    number(
        "--sector-size",
        metavar="BYTES",
        parser=parsers.sector_size,
        help="Encrypt in sectors of 512, 1024, 2048 or 4096 bytes",
        words=("512", "1024", "2048", "4096"),
    ),
]
Luks2KeyslotsSize = Annotated[
    int | None, size("--luks2-keyslots-size", help="Reserve this much for all LUKS2 keyslots")
]
Luks2MetadataSize = Annotated[
    int | None, size("--luks2-metadata-size", help="Reserve this much for each copy of the LUKS2 header")
]
Integrity = Annotated[str | None, text("--integrity", "-I")]
IntegrityNoWipe = Annotated[bool, flag("--integrity-no-wipe")]
IntegrityInline = Annotated[bool, flag("--integrity-inline")]
IntegrityKeySize = Annotated[int | None, number("--integrity-key-size")]
HwOpal = Annotated[bool, flag("--hw-opal")]
HwOpalOnly = Annotated[bool, flag("--hw-opal-only")]
HwOpalFactoryReset = Annotated[bool, flag("--hw-opal-factory-reset")]
DisableBlkid = Annotated[bool, flag("--disable-blkid", help="Do not look for what is on the device already")]
UseRandom = Annotated[bool, flag("--use-random")]
UseUrandom = Annotated[bool, flag("--use-urandom")]
Tiers = Annotated[bool, flag("--tiers", help="Show a row for each implementation of AES-XTS")]

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
    bool, flag("--serialize-memory-hard-pbkdf", help="Take turns with others for Argon2")
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
        help="Call from this session of the simulated machine ($KDUMPKEY_SESSION, login)",
    ),
]
MountConfigfs = Annotated[bool, flag("--mount-configfs", help="Mount configfs first if it is not mounted")]
Policy = Annotated[
    str | None,
    text("--policy", metavar="POLICY", help="Place keys as upstream, hardened or v1 does", words=POLICIES),
]
Crashkernel = Annotated[
    str | None, text("--crashkernel", metavar="SIZE", help="Reserve memory as this crashkernel= says (256M)")
]
Ram = Annotated[int | None, size("--ram", help="Give the machine this much memory (4G)")]
KernelSize = Annotated[int | None, size("--kernel-size", help="Let the kdump kernel take this much (70M)")]
InitrdSize = Annotated[int | None, size("--initrd-size", help="Let its initramfs take this much (40M)")]
KernelFile = Annotated[str | None, text("--kernel", metavar="FILE", help="Use this kdump kernel, a bzImage")]
InitrdFile = Annotated[str | None, text("--initrd", metavar="FILE", help="Use this initramfs with it")]
CommandLine = Annotated[str | None, text("--command-line", help="Give the kdump kernel this command line")]
Throwaway = Annotated[
    bool, flag("--throwaway", help="Do not warn where keys are kept: these protect nothing")
]
Count = Annotated[int | None, number("--count", help="Name this many keys like this one, numbered")]
KeyTimeout = Annotated[
    int | None,
    number("--key-timeout", metavar="SECONDS", help="Let the key expire after this long (300 on Linux)"),
]
FromKeyring = Annotated[bool, flag("--from-keyring", help="Take the keys that are in the keyring already")]
ThisMachine = Annotated[bool, flag("--this-machine", help="Crash the machine that this runs on")]
Apply = Annotated[bool, flag("--apply", help="Change the file, and keep the old one beside it")]
Root = Annotated[str | None, text("--root", metavar="DIR", help="Examine the machine whose files are here")]
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
    str | None, text("--release", metavar="NAME", help="Use this kernel of those under /boot (the newest)")
]
ModulesSize = Annotated[int | None, size("--modules-size", help="Let the loaded modules take this much")]

# What is measured and simulated.
Keys = Annotated[int | None, number("--keys", help="Hand this many keys over (1)")]
Samples = Annotated[int | None, number("--samples", help="Place the keys this often (100000)")]
Seed = Annotated[int | None, number("--seed", help="Seed the random generator, for repeatable results")]
Plot = Annotated[
    str | None,
    text("--plot", metavar="FILE", help="Also write a plot to this .png or .svg file (needs matplotlib)"),
]
Memory = Annotated[
    str | None,
    text("--memory", metavar="SIZES", help="Try these amounts of memory (64M,128M,256M,512M,1024M)"),
]
Passes = Annotated[str | None, text("--passes", metavar="NUMBERS", help="Try these time costs (4)")]
Parallel = Annotated[
    str | None,
    text("--parallel", metavar="NUMBERS", help="Try these lanes (1, and the number of processors)"),
]
Runs = Annotated[int | None, number("--runs", help="Take the median of this many runs (3)")]
Reserved = Annotated[
    str | None,
    text("--reserved", metavar="SIZES", help="Judge for these amounts of reserved memory (128M,...,1G)"),
]
Prove = Annotated[bool, flag("--prove", help="Run each verdict under a real limit of memory")]
Csv = Annotated[str | None, text("--csv", metavar="FILE", help="Also write the results to this CSV file")]
Time = Annotated[str | None, text("--time", metavar="TIME", help="Let unlocking take this long (2s; 500ms)")]
AdvisedDevice = Annotated[
    str | None, text("--device", metavar="DEVICE", help="Start from the keyslots of this device")
]
FirstMemory = Annotated[
    int | None, size("--first-memory", help="Limit the memory of the first kernel's programs")
]
KdumpMemory = Annotated[
    int | None, size("--kdump-memory", help="Limit the memory of the kdump kernel's programs")
]
UnpackedSize = Annotated[
    int | None, size("--unpacked-size", help="Let the kdump kernel's unpacked initramfs take this much (52M)")
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
