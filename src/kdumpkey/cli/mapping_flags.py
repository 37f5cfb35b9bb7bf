"""How a volume is mapped, as options say."""

from __future__ import annotations

from dataclasses import dataclass

from kdumpkey.cli.options import (
    AllowDiscards,
    HighPriority,
    NoReadWorkqueue,
    NoWriteWorkqueue,
    Readonly,
    SameCpuCrypt,
    SubmitFromCryptCpus,
)


@dataclass(frozen=True)
class MappingFlags:
    """How dm-crypt maps a volume."""

    readonly: Readonly = False
    allow_discards: AllowDiscards = False
    no_read_workqueue: NoReadWorkqueue = False
    no_write_workqueue: NoWriteWorkqueue = False
    same_cpu_crypt: SameCpuCrypt = False
    submit_from_crypt_cpus: SubmitFromCryptCpus = False
    high_priority: HighPriority = False
