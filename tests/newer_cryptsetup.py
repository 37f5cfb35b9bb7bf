"""A cryptsetup of a newer Debian release, unpacked beside the system's: the keyring options came with 2.7.

Everything comes through the machine's own apt: its mirror, its proxies and its archive keys, with only the
suite changed, and with lists, status and downloads in a folder of their own, so that nothing of the system's
is touched or installed. The programs run through the unpacked release's own loader and C library.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

SUITE = "trixie"
PACKAGE = "cryptsetup-bin"
ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TIMEOUT_SECONDS = 300

# Paths are found at run time, so that the folder may be moved. OpenSSL's legacy module has whirlpool.
WRAPPER = """#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
libraries=$(dirname "$(echo "$root"/usr/lib/*/libcryptsetup.so.12)")
OPENSSL_MODULES="$libraries/ossl-modules" OPENSSL_CONF=/dev/null \\
  exec "$(echo "$root"/usr/lib*/ld-linux*.so.*)" --library-path "$libraries" "$root/usr/sbin/cryptsetup" "$@"
"""


class UnavailableError(Exception):
    """The newer cryptsetup cannot be had on this machine; the message says why."""


def cache_folder() -> Path:
    """Where downloads stay between runs: KDUMPKEY_CACHE, or .cache in the repository."""
    named = os.environ.get("KDUMPKEY_CACHE")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".cache"


def provide() -> Path:
    """The path of a cryptsetup >= 2.7; fetched, unless it is in the cache.

    Raises:
        UnavailableError: There is no apt here, it reaches no such release, or what it brought does not run.
    """
    home = cache_folder() / f"cryptsetup-{SUITE}"
    program = home / "cryptsetup"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"cryptsetup-{SUITE}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            fresh = home.with_name(f"{home.name}.partial")
            shutil.rmtree(fresh, ignore_errors=True)
            _unpack_into(fresh)
            shutil.rmtree(home, ignore_errors=True)
            fresh.rename(home)
    return program


def _unpack_into(folder: Path) -> None:
    downloads = folder / "apt"
    options = _apt_options(downloads, _mirror())
    _run("apt-get", *options, "update")
    # The status file is empty: apt takes nothing for installed, so the whole set of libraries comes along.
    _run("apt-get", *options, "install", "--download-only", "--yes", "--no-install-recommends", PACKAGE)
    for package in sorted((downloads / "cache" / "archives").glob("*.deb")):
        _run("dpkg-deb", "--extract", str(package), str(folder / "root"))
    shutil.rmtree(downloads)
    program = folder / "cryptsetup"
    program.write_text(WRAPPER)
    program.chmod(0o755)
    version = _run(str(program), "--version")
    if not version.startswith("cryptsetup "):
        raise UnavailableError(f"the unpacked {PACKAGE} says {version!r}")


def _mirror() -> str:
    """The address of the Debian archive that this machine's apt is set up for."""
    targets = _run(
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


def _apt_options(folder: Path, mirror: str) -> list[str]:
    """An apt configuration of its own for one suite; the system's proxies and options stay in force."""
    for each in ("state/lists/partial", "cache/archives/partial"):
        (folder / each).mkdir(parents=True)
    status, sources = folder / "state" / "status", folder / "sources.list"
    status.touch()
    signed = f"[signed-by={ARCHIVE_KEYRING}] " if ARCHIVE_KEYRING.exists() else ""
    sources.write_text(f"deb {signed}{mirror} {SUITE} main\n")
    settings = {
        "Dir::Etc::SourceList": sources,
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


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
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


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except UnavailableError as error:
        sys.exit(str(error))
