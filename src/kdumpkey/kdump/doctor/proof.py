"""Whether kdump's own test has proven what would run now: it crashed this machine, and the dump was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdumpkey.host.kdump_test import Outcome
from kdumpkey.host.later_loads import moment

if TYPE_CHECKING:
    from kdumpkey.kdump.doctor.facts import HostFacts


def proven(facts: HostFacts) -> str:
    """What a test has proven of this kernel and its initramfs, with when; empty: nothing."""
    test = facts.test
    if test is None or test.outcome is not Outcome.SUCCESS or unproven(facts):
        return ""
    return (
        f"kdumpctl's own test left a dump ({moment(test.made_at)}), with this kernel and {facts.image.place}"
    )


def unproven(facts: HostFacts) -> str:
    """Why the test that was made proves nothing of what would run now; empty: it does, or none was made."""
    test, image = facts.test, facts.image
    if test is None:
        return ""
    when = f"kdumpctl's test of {moment(test.made_at)}"
    match test.outcome:
        case Outcome.FAIL:
            return f"{when} left no dump"
        case Outcome.PENDING | Outcome.MANUAL:
            return f"{when} has not been checked, which kdumpctl status does"
        case Outcome.SUCCESS:
            pass
    if test.release and test.release != facts.system.release:
        return f"{when} was of {test.release}, another kernel"
    if not image.place or image.modified_at is None:
        return f"{when} was of an initramfs that cannot be found"
    if image.modified_at > test.made_at:
        return f"{when} is older than {image.place}"
    if not test.release and any(image.modified_at < other <= test.made_at for other in image.others_at):
        return f"{when} may have been of another kernel, whose initramfs is newer than {image.place}"
    return ""
