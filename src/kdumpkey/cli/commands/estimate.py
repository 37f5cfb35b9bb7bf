"""kdump estimate: how much memory to reserve, item by item, with a passphrase and with key reuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import typer

from kdumpkey.cli.action import action
from kdumpkey.cli.arguments import Devices
from kdumpkey.cli.columns import folded
from kdumpkey.cli.options import Arch, Json, ModulesSize, Release, Root
from kdumpkey.cli.region_sizes import RegionSizes
from kdumpkey.cli.session import Run
from kdumpkey.errors import UsageError
from kdumpkey.kdump.estimate.device_keyslots import keyslots_of
from kdumpkey.kdump.estimate.keyslots import KeyslotMemory
from kdumpkey.kdump.estimate.machine import MachineEstimate, MachineSpec, estimate_machine
from kdumpkey.luks.words import device_path, refusing
from kdumpkey.region.crashkernel import parse_crashkernel
from kdumpkey.region.handover import merged_size
from kdumpkey.region.model import USUAL_BASE, ImageSizes, Policy, segments_of
from kdumpkey.region.placement import Layout

app = typer.Typer()
_MIB: Final = 1 << 20


@action(app, "estimate", "[<device> ...]", example="kdumpkey kdump estimate /dev/sda2")
def estimate(
    run: Run,
    sizes: RegionSizes,
    devices: Devices = None,
    root_folder: Root = None,
    arch: Arch = None,
    release: Release = None,
    modules_bytes: ModulesSize = None,
    as_json: Json = False,
) -> None:
    """Add up what the kdump kernel of this machine, or of another's files, needs."""
    session = run.begin()
    root = Path(root_folder or "/")
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory.")
    machine = MachineSpec(
        root=root,
        release=release,
        arch=arch,
        ram_bytes=sizes.ram_bytes,
        kernel=sizes.kernel,
        initramfs=sizes.initrd,
        kernel_bytes=sizes.kernel_bytes,
        modules_bytes=modules_bytes,
        initramfs_bytes=sizes.initrd_bytes,
    )
    paths = [device_path(word) for word in devices or ()]
    keyslots: list[KeyslotMemory] = []
    for device in paths:
        with refusing(device):
            keyslots += keyslots_of(device)
    found = estimate_machine(machine, paths, keyslots)
    reserved = {reuse: found.estimate.to_reserve_bytes(reuse=reuse) for reuse in (False, True)}
    given = sizes.crashkernel
    current = parse_crashkernel(given, found.ram_bytes).size_bytes if given else None
    judged = sorted({*reserved.values(), *([current] if current else [])})
    failing = {nbytes: _failing(found, nbytes) for nbytes in judged}
    if as_json:
        session.say(json.dumps(_json(found, current, failing)))
        return
    for line in _lines(found, current, failing):
        session.say(line)


def _failing(found: MachineEstimate, nbytes: int) -> dict[Policy, float]:
    """How likely a load fails by fragmentation, under each policy."""
    sizes = ImageSizes(kernel=found.kernel_bytes, initrd=found.initramfs_bytes)
    segments = segments_of(sizes, merged_size(max(1, len(found.devices))))
    return {
        policy: Layout(policy, USUAL_BASE, nbytes, segments).distribution().failure_probability
        for policy in Policy
    }


def _lines(found: MachineEstimate, current: int | None, failing: dict[int, dict[Policy, float]]) -> list[str]:
    made = found.estimate
    devices = ", ".join(found.devices) or "no encrypted device was named"
    lines = [
        f"{found.variant.arch}, {found.ram_bytes / (1 << 30):.1f} GiB of memory; {devices}",
        "",
        f"{'':24}{'passphrase':>12}{'key reuse':>12}",
    ]
    for item in made.items:
        cell = f"{_mib(item.nbytes):>12}"
        lines += folded(f"{item.name:24}{cell}{cell}   ", item.source)
    with_passphrase, with_reuse = made.unlocking
    lines += folded(
        f"{'unlocking':24}{_mib(with_passphrase.nbytes):>12}{_mib(with_reuse.nbytes):>12}   ",
        with_passphrase.source,
    )
    needed = [made.needed_bytes(reuse=reuse) for reuse in (False, True)]
    lines.append(f"{'needed':24}{_mib(needed[0]):>12}{_mib(needed[1]):>12}")
    if current is not None:
        verdicts = ["enough" if current >= need else "too little" for need in needed]
        lines.append(f"{f'crashkernel={current // _MIB}M':24}{verdicts[0]:>12}{verdicts[1]:>12}")
    kdumpctl = made.kdumpctl
    lines += [
        "",
        f"kdumpctl recommends {kdumpctl.mebibytes}M, with a key handed over or without: the larger of",
        f"  {kdumpctl.default_bytes // _MIB}M, its default for this machine ({kdumpctl.default}), and",
        f"  {kdumpctl.sum_bytes // _MIB}M, its sum, of which LUKS {kdumpctl.luks_bytes // _MIB}M",
    ]
    lines += ["", "Loads that fail because the keys are placed before kernel and initramfs:"]
    for nbytes, each in failing.items():
        shown = ", ".join(f"{policy.value} {100 * share:.3g} %" for policy, share in each.items())
        lines.append(f"  {nbytes // _MIB}M: {shown}")
    return lines


def _mib(nbytes: int) -> str:
    return f"{nbytes / _MIB:.1f} MiB"


def _json(
    found: MachineEstimate, current: int | None, failing: dict[int, dict[Policy, float]]
) -> dict[str, object]:
    made = found.estimate
    ways = ("passphrase", "key_reuse")
    return {
        "arch": found.variant.arch,
        "ram_bytes": found.ram_bytes,
        "devices": list(found.devices),
        "items": [{"name": item.name, "bytes": item.nbytes, "source": item.source} for item in made.items],
        "unlocking": {
            way: {"bytes": item.nbytes, "source": item.source}
            for way, item in zip(ways, made.unlocking, strict=True)
        },
        "needed_bytes": {way: made.needed_bytes(reuse=bool(i)) for i, way in enumerate(ways)},
        "kdumpctl": {
            "recommended_bytes": made.kdumpctl.nbytes,
            "recommended": f"{made.kdumpctl.mebibytes}M",
            "default": made.kdumpctl.default,
            "default_bytes": made.kdumpctl.default_bytes,
            "sum_bytes": made.kdumpctl.sum_bytes,
            "luks_bytes": made.kdumpctl.luks_bytes,
        },
        "crashkernel_bytes": current,
        "load_failure_probability": {
            str(nbytes): {policy.value: share for policy, share in each.items()}
            for nbytes, each in failing.items()
        },
    }
