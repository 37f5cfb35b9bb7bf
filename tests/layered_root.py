"""This system with files laid over it, for programs that insist on their places; nothing of it is changed.

The programs come from the machine's own release through its own apt, unpacked and not installed: some of them
would take a hand in how the machine boots.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from newer_release import UnavailableError, cache_folder, run
from tools import unavailable

TOP = Path(__file__).resolve().parents[1]

# What is written goes to memory; other file systems than that of / have to be put into place each for itself.
_ENTER = """
set -eu
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work,userxattr" none "$1/root"
root=$1/root
shift
while [ "$1" != -- ]; do
    cp -a "$1/." "$root"
    shift
done
shift
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" "$@"
"""


def unpacked_packages(*packages: str) -> Path:
    """A folder of the cache with the files of this release's packages, and of nothing that they depend on."""
    home = cache_folder() / "-".join(("unpacked", *packages))
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            fresh = home.with_name(f"{home.name}.partial")
            shutil.rmtree(fresh, ignore_errors=True)
            (fresh / "debs").mkdir(parents=True)
            try:
                urls = run("apt-get", "download", "--print-uris", *packages).splitlines()
                subprocess.run(
                    ["apt-get", "download", "--quiet=2", *packages],
                    cwd=fresh / "debs",
                    check=True,
                    capture_output=True,
                )
            except (UnavailableError, subprocess.CalledProcessError) as error:
                unavailable(f"apt has no {', '.join(packages)}: {error}")
            assert len(urls) == len(packages)
            for package in sorted((fresh / "debs").iterdir()):
                run("dpkg-deb", "--extract", str(package), str(fresh))
            shutil.rmtree(fresh / "debs")
            _merge_usr(fresh)
            fresh.rename(home)
    return home


def _merge_usr(root: Path) -> None:
    """Have the files in /usr where this system has links to there."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if (root / name).is_dir() and Path("/", name).is_symlink():
            shutil.copytree(root / name, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(root / name)


def run_layered(
    layers: Sequence[Path], command: Sequence[str | Path], scratch: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in this system with `layers` over it, the last on top; only `scratch` outlasts it."""
    mount_point = scratch / "mount"
    mount_point.mkdir(exist_ok=True)
    words = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    elsewhere = [
        str(folder)
        for folder in (Path(sys.base_prefix), TOP, Path(sys.prefix))
        if folder.stat().st_dev != Path("/").stat().st_dev
    ]
    places = ["/proc", "/sys", "/dev", *elsewhere, str(scratch)]
    enter = ["sh", "-c", _ENTER, "sh", str(mount_point), *(str(each) for each in layers), "--", *places, "--"]
    try:
        subprocess.run([*words, *enter, "true"], check=True, capture_output=True, text=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        unavailable(f"no files can be laid over this system: {getattr(error, 'stderr', error)}")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(
        [*words, *enter, *(str(word) for word in command)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": path, "HOME": "/", "LC_ALL": "C", **environment},
    )
