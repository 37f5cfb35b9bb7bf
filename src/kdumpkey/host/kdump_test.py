"""What ``kdumpctl test`` left: whether the crash that it made left a dump, and when that was.

One line, ``STATUS kdump_test_id=SECONDS-NANOSECONDS``; the kdump kernel writes another beside the dump, in
``PATH/kdump-test-SECONDS-NANOSECONDS``. Also known is ``STATUS SECONDS RELEASE``. kdumpctl removes the file
when it rebuilds the initramfs. Source: kdumpctl(8), and its set_vmcore_creation_status and fetch_status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from kdumpkey.host.mounts import mount_points
from kdumpkey.host.settings import DUMPS, KDUMP_CONF

if TYPE_CHECKING:
    from kdumpkey.host.host import Host

STATUS: Final = "var/lib/kdump/vmcore-creation.status"
_LINE: Final = re.compile(r"(\w+)\s+(?:kdump_test_id=)?(\d{1,12})(?:-(\d+))?(?:\s+(\S+))?")


class TestOutcome(Enum):
    """The outcome of a test."""

    SUCCESS = "success"
    FAIL = "fail"
    PENDING = "pending"  # kdumpctl has not checked it yet
    MANUAL = "manual"  # kdumpctl could not check it


@dataclass(frozen=True)
class KdumpTest:
    """A test.

    Attributes:
        outcome: Its outcome.
        made_at: When, in seconds since the epoch.
        release: The kernel that was tested; empty: it is not named.
    """

    outcome: TestOutcome
    made_at: float
    release: str


def read_kdump_test(host: Host) -> KdumpTest | None:
    """Read the result of the last test; if kdumpctl has not checked it, what the kdump kernel wrote."""
    matched = _LINE.match(host.text(STATUS) or "")
    if matched is None:
        return None
    status, seconds, nanoseconds, release = matched.groups()
    try:
        outcome = TestOutcome(status)
    except ValueError:
        return None
    if outcome is TestOutcome.PENDING and nanoseconds is not None:
        outcome = _beside_the_dump(host, f"kdump-test-{seconds}-{nanoseconds}")
    return KdumpTest(outcome, float(seconds), release or "")


def _beside_the_dump(host: Host, folder: str) -> TestOutcome:
    """What the kdump kernel wrote; still pending if the target is not mounted here."""
    lines = [line.split() for line in (host.text(KDUMP_CONF) or "").splitlines()]
    path = next((words[1] for words in lines if words[:1] == ["path"] and len(words) > 1), DUMPS)
    for point in ("/", *mount_points(host)):
        text = host.text(f"{point.rstrip('/')}/{path.strip('/')}/{folder}/{STATUS.rpartition('/')[2]}")
        if text is not None:
            return TestOutcome.SUCCESS if text.startswith(TestOutcome.SUCCESS.value) else TestOutcome.FAIL
    return TestOutcome.PENDING
