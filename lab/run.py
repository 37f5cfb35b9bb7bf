"""The lab: crash a real kernel under QEMU, and see what the kdump kernel can do with the keys handed over.

Usage: run.py [--jobs N] [--kernel BZIMAGE] [--keep FOLDER] [--list] [SCENARIO …]. Without names it runs all.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from initramfs import hook_archive
from machine import Machine
from scenarios import PASSPHRASES, PATTERN, SCENARIOS, Scenario, made

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run what is asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser(description="Crash real kernels under QEMU.")
    parser.add_argument("--jobs", type=int, default=1, help="machines at once")
    parser.add_argument("--kernel", type=Path, help="a bzImage; one is built, and kept, without it")
    parser.add_argument("--keep", type=Path, help="a folder for the consoles")
    parser.add_argument("--list", action="store_true", help="show the scenarios")
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    options = parser.parse_args()
    if options.list:
        print("\n".join(each.name for each in SCENARIOS))
        return 0
    unknown = set(options.names) - {each.name for each in SCENARIOS}
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    wanted = [each for each in SCENARIOS if not options.names or each.name in options.names]
    kernel = options.kernel or built_kernel()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kdumpkey-lab-") as name:
        folder = Path(name)
        shutil.copy(kernel, folder / "bzImage")
        subprocess.run([sys.executable, HERE / "initramfs.py", folder], check=True)
        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(lambda each: run(each, folder, options.keep), wanted))
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed in {time.monotonic() - began:.0f} s")
    return min(failed, 1)


def built_kernel() -> Path:
    """The kernel of the cache, or a new one."""
    done = subprocess.run([HERE / "kernel.sh"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


def run(scenario: Scenario, common: Path, keep: Path | None) -> bool:
    """One machine from its making to what is left on its disk; says how it went."""
    began = time.monotonic()
    folder = common / scenario.name
    machine = prepared(scenario, common, folder)
    console = machine.run()
    wrong = re.findall(r"LAB (NOT OK .*)", console)
    stages = ("first", "kdump") if scenario.crashes else ("first",)
    wrong += [f"the {stage} kernel did not begin" for stage in stages if f"LAB begin {stage}:" not in console]
    if f"LAB end {stages[-1]}" not in console:
        wrong.append(f"the {stages[-1]} kernel did not come to its end")
    if not wrong:
        wrong += scenario.afterwards(console, folder / "disk0.img")
    checks = len(re.findall(r"LAB ok ", console))
    if not checks:
        wrong.append("nothing was checked")
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{scenario.name}.txt").write_text(console)
    text = [
        f"{scenario.name}: {'FAILED' if wrong else f'{checks} checks'} in {time.monotonic() - began:.0f} s"
    ]
    text += [f"  {line}" for line in wrong]
    if wrong and keep is None:
        text.append(console)
    print("\n".join(text), flush=True)
    shutil.rmtree(folder)
    return not wrong


def prepared(scenario: Scenario, common: Path, folder: Path) -> Machine:
    """Make the disks and lay out what the guest reads."""
    keys = folder / "keys"
    keys.mkdir(parents=True)
    for name, content in PASSPHRASES.items():
        (keys / name).write_bytes(content)
    settings = {"pattern": hashlib.sha256(PATTERN).hexdigest(), **scenario.settings}
    disks = []
    for number, disk in enumerate(scenario.disks):
        path = folder / f"disk{number}.img"
        settings[f"uuid{number}"] = made(disk, path, keys)
        disks.append((path, True))
    initramfs = folder / "initramfs.gz"
    parts = ("initramfs.gz", "tools.gz") if scenario.tools else ("initramfs.gz",)
    parts += ("peer.gz",) if scenario.peer else ()
    archives = [(common / part).read_bytes() for part in parts]
    if scenario.hook is not None:
        archives.append(hook_archive(settings[f"uuid{scenario.hook}"]))
    initramfs.write_bytes(b"".join(archives))
    payload, scripts = folder / "payload.tar", folder / "scripts.tar"
    with tarfile.open(payload, "w") as tar:
        tar.add(common / "bzImage", "bzImage")
        tar.add(initramfs, "initramfs.gz")
    (folder / "settings.sh").write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    with tarfile.open(scripts, "w") as tar:
        tar.add(HERE / "guest/lib.sh", "lib.sh")
        tar.add(HERE / "scenarios" / scenario.script, "scenario.sh")
        tar.add(folder / "settings.sh", "settings.sh")
        for name in ("run.py", "steps.py"):
            tar.add(HERE.parent / "tests/parity" / name, f"parity/{name}")
        for name in PASSPHRASES:
            tar.add(keys / name, name)
    disks[1:1] = [(payload, False), (scripts, False)]
    return Machine(common / "bzImage", initramfs, disks, scenario.memory_mib, scenario.reserved)


if __name__ == "__main__":
    raise SystemExit(main())
