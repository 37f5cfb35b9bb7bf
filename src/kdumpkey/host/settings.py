"""kdump's own configuration files, and how a shell reads them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

KDUMP_CONF: Final = "etc/kdump.conf"
KDUMP_TOOLS: Final = "etc/default/kdump-tools"
SYSCONFIG: Final = "etc/sysconfig/kdump"  # of kdump-utils, and of SUSE's kdump
DUMPS: Final = "/var/crash"  # where all of them write dumps, unless their settings say otherwise
FILESYSTEMS: Final = ("ext2", "ext3", "ext4", "xfs", "btrfs", "minix")  # that kdump.conf can name


def shell_settings(text: str) -> dict[str, str]:
    """The assignments of a file that a shell reads, the last one of each name."""
    return {name: words[0] if words else "" for name, words, _ in _assignments(text)}


def plain_settings(text: str) -> dict[str, str]:
    """Those of the assignments whose value needs no shell: one word, without expansions."""
    return {
        name: words[0]
        for name, words, is_whole in _assignments(text)
        if is_whole and len(words) == 1 and "$" not in words[0] and "`" not in words[0]
    }


def _assignments(text: str) -> Iterator[tuple[str, list[str], bool]]:
    """Name and words of each assignment, and whether all of its quotes are closed."""
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or not name.isidentifier():
            continue
        try:
            yield name, shlex.split(value, comments=True), True
        except ValueError:
            yield name, [value.strip("\"'")], False
