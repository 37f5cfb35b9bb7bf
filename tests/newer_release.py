"""Packages of a newer Debian release, unpacked beside the system's own.

Everything comes through the machine's own apt: its mirror, its proxies and its archive keys, with only the
suite changed, and with lists, status and downloads in a folder of their own, so that nothing of the system's
is touched or installed. Programs unpacked so run through the release's own loader and C library.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

SUITE = "trixie"
ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT_SECONDS = 300


class UnavailableError(Exception):
    """The packages cannot be had on this machine; the message says why."""


def cache_folder() -> Path:
    """Where downloads stay between runs: KDUMPKEY_CACHE, or .cache in the repository."""
    named = os.environ.get("KDUMPKEY_CACHE")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".cache"


def unpacked(
    name: str, *packages: str, suite: str = SUITE, finish: Callable[[Path], None] | None = None
) -> Path:
    """A folder of the cache whose `root` holds the packages with all that they depend on.

    Args:
        name: The folder's name, one for each set of packages.
        packages: Debian's names.
        suite: The release that they are of.
        finish: Called with the folder when it is new, before anybody can see it.

    Raises:
        UnavailableError: There is no apt here, or it reaches no such release.
    """
    home = cache_folder() / f"{name}-{suite}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            fresh = home.with_name(f"{home.name}.partial")
            shutil.rmtree(fresh, ignore_errors=True)
            _unpack_into(fresh, suite, packages)
            if finish is not None:
                finish(fresh)
            fresh.rename(home)
    return home


def fetch_sources(package: str, suite: str = SUITE) -> Path:
    """Download and unpack the source package of a release, unless it is in the cache.

    Raises:
        UnavailableError: There is no apt or no dpkg-source here, or it reaches no such release.
    """
    home = cache_folder() / f"{package}-source-{suite}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            fresh = home.with_name(f"{home.name}.partial")
            shutil.rmtree(fresh, ignore_errors=True)
            options = _apt_options(fresh / "apt", _mirror(), suite, "deb-src")
            run("apt-get", *options, "update")
            run("apt-get", *options, "source", "--download-only", f"{package}/{suite}", folder=fresh)
            (description,) = fresh.glob("*.dsc")
            run("dpkg-source", "--extract", str(description), str(fresh / "tree"))
            (fresh / "tree").rename(home)
            shutil.rmtree(fresh)
    return home


def run(*command: str, folder: Path | None = None) -> str:
    """What a command prints, run in a folder (default: this one).

    Raises:
        UnavailableError: It is not there, takes too long or fails.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} took longer than {TIMEOUT_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{command[0]} failed: {(error.stderr or error.stdout).strip()}") from None
    return done.stdout


def _unpack_into(folder: Path, suite: str, packages: tuple[str, ...]) -> None:
    downloads = folder / "apt"
    options = _apt_options(downloads, _mirror(), suite)
    run("apt-get", *options, "update")
    # The status file is empty: apt takes nothing for installed, so the whole set of libraries comes along.
    run("apt-get", *options, "install", "--download-only", "--yes", "--no-install-recommends", *packages)
    for package in sorted((downloads / "cache" / "archives").glob("*.deb")):
        run("dpkg-deb", "--extract", str(package), str(folder / "root"))
    shutil.rmtree(downloads)


def _mirror() -> str:
    """The address of the Debian archive that this machine's apt is set up for."""
    targets = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages"
    )
    for line in targets.splitlines():
        address, release, component = line.split()
        if component == "main" and release == _codename():
            return address
    raise UnavailableError(f"apt here has no main component of {_codename()} to take the mirror from")


def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise UnavailableError("/etc/os-release names no release")


def _apt_options(folder: Path, mirror: str, suite: str, kind: str = "deb") -> list[str]:
    """An apt configuration of its own for one suite; the system's proxies and options stay in force."""
    for each in ("state/lists/partial", "cache/archives/partial"):
        (folder / each).mkdir(parents=True)
    status, listed = folder / "state" / "status", folder / "sources.list"
    status.touch()
    signed = f"[signed-by={ARCHIVE_KEYRING}] " if ARCHIVE_KEYRING.exists() else ""
    listed.write_text(f"{kind} {signed}{mirror} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": listed,
        "Dir::Etc::SourceParts": "-",
        "Dir::Etc::PreferencesParts": "-",
        "Dir::State": folder / "state",
        "Dir::State::Status": status,
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "",  # the sandbox user could not write here
        "APT::Update::Post-Invoke-Success": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
