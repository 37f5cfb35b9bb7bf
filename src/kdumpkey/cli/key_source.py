"""Where passphrases and volume keys come from, as options say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kdumpkey.cli.options import (
    FromKdump,
    KdfMemoryCheck,
    KeyFile,
    KeyfileOffset,
    KeyfileSize,
    KeySize,
    KeySlot,
    MachineFolder,
    SessionName,
    Timeout,
    TokenId,
    TokenOnly,
    TokenType,
    Tries,
    VerifyPassphrase,
    VolumeKeyFile,
    VolumeKeyKeyring,
)


@dataclass(frozen=True)
class PassphraseSource:
    """Where a passphrase comes from."""

    key_file: KeyFile = None
    keyfile_offset: KeyfileOffset = None
    keyfile_size: KeyfileSize = None
    timeout_s: Timeout = None
    verify: VerifyPassphrase = False


@dataclass(frozen=True)
class KeyringPassphrase(PassphraseSource):
    """A passphrase that a key of the kernel's holds, in place of all other sources."""

    description: str = ""


def by_key(source: PassphraseSource, description: str | None) -> PassphraseSource:
    """The passphrase in the key of a description where one is named; else where the other options say."""
    if description is None:
        return source
    return KeyringPassphrase(**vars(source), description=description)


@dataclass(frozen=True)
class TokenChoice:
    """Which tokens may open a keyslot."""

    token_id: TokenId = None
    token_only: TokenOnly = False
    token_type: TokenType = None

    @property
    def is_given(self) -> bool:
        """Whether a token was asked for."""
        return self.token_only or self.token_id is not None or self.token_type is not None


@dataclass(frozen=True)
class UnlockSource:
    """What opens a keyslot: a passphrase or a token."""

    passphrase: PassphraseSource = PassphraseSource()
    tokens: TokenChoice = TokenChoice()
    tries: Tries = None
    memory_check: KdfMemoryCheck = None

    @property
    def checks_memory(self) -> bool:
        """Whether Argon2's memory is compared with what is available."""
        return self.memory_check != "off"


@dataclass(frozen=True)
class MachineChoice:
    """Which machine, and which of its sessions, an action is about."""

    folder: MachineFolder = None
    session: SessionName = None


THIS_MACHINE: Final = MachineChoice()


@dataclass(frozen=True)
class KeySource:
    """Where a volume key comes from: a keyslot, a file, a keyring, or the kernel that crashed."""

    unlock: UnlockSource = UnlockSource()
    key_slot: KeySlot = None
    key_size_bits: KeySize = None
    volume_key_file: VolumeKeyFile = None
    volume_key_keyring: VolumeKeyKeyring = None
    from_kdump: FromKdump = False
    machine: MachineChoice = THIS_MACHINE
