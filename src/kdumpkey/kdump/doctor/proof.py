"""Whether ``kdumpctl test``, which crashes the machine, has proven what would run now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.host.kdump_test import TestOutcome
from kdumpkey.host.later_loads import moment

if TYPE_CHECKING:
    from kdumpkey.host.kdump_test import KdumpTest
    from kdumpkey.kdump.facts.host_facts import HostFacts


def proven(facts: HostFacts) -> str:
    """What a test has proven of this kernel and its initramfs, and when; empty: nothing."""
    test = facts.test
    if test is None or test.outcome is not TestOutcome.SUCCESS or unproven(facts):
        return ""
    return f"kdumpctl test left a dump ({moment(test.made_at)}), with this kernel and {facts.image.path}"


def unproven(facts: HostFacts) -> str:
    """Why the test that was made proves nothing of what would run now; empty: it does, or none was made."""
    if facts.test is None:
        return ""
    why = _why_not(facts, facts.test)
    return f"kdumpctl's test of {moment(facts.test.made_at)} {why}" if why else ""


def _why_not(facts: HostFacts, test: KdumpTest) -> str:
    match test.outcome:
        case TestOutcome.FAIL:
            return "left no dump"
        case TestOutcome.PENDING | TestOutcome.MANUAL:
            return "has not been checked, which kdumpctl status does"
        case TestOutcome.SUCCESS:
            return _of_another(facts, test)


def _of_another(facts: HostFacts, test: KdumpTest) -> str:
    """Why a test that left a dump was of another kernel or initramfs; empty: it was not."""
    image = facts.image
    if test.release and test.release != facts.system.release:
        return f"was of {test.release}, another kernel"
    if not image.path or image.modified_at is None:
        return "was of an initramfs that cannot be found"
    if image.modified_at > test.made_at:
        return f"is older than {image.path}"
    if not test.release and any(image.modified_at < other <= test.made_at for other in image.others_at):
        return f"may have been of another kernel, whose initramfs is newer than {image.path}"
    return ""
