"""Who finds the volume key: judged from facts, where a test cannot have keyrings of another session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import roots
from kdumpkey.host.host import Host
from kdumpkey.kdump.doctor.finding import Finding, Verdict
from kdumpkey.kdump.doctor.key import check_key
from kdumpkey.kdump.facts.host_facts import DeviceFacts, HostFacts, Reach, read_facts


@pytest.fixture
def facts(tmp_path: Path) -> HostFacts:
    """A machine whose key is in root's keyring, for good."""
    return read_facts(Host(roots.build(tmp_path, roots.fedora())), (), roots.LOADED_AT)


def _reached(facts: HostFacts, caller: bool | None, user: bool | None) -> dict[str, Finding]:
    about: DeviceFacts = replace(facts.devices[0], reach=Reach(caller, user))
    return {finding.check: finding for finding in check_key(facts, about)}


def test_a_key_that_this_caller_and_the_service_find_is_good(facts: HostFacts) -> None:
    found = _reached(facts, True, True)
    assert {name: finding.verdict for name, finding in found.items()} == {
        "key": Verdict.GOOD,
        "reach": Verdict.GOOD,
    }


@pytest.mark.parametrize(("caller", "verdict"), [(True, Verdict.WARNING), (None, Verdict.BROKEN)])
def test_a_key_outside_of_roots_keyring_is_to_be_linked_there(
    facts: HostFacts, caller: bool | None, verdict: Verdict
) -> None:
    reach = _reached(facts, caller, False)["reach"]
    assert reach.verdict is verdict
    assert reach.fix.startswith("keyctl link 0x")
    assert reach.fix.endswith(" @u")


def test_a_session_that_does_not_lead_to_roots_keyring_is_to_be_linked(facts: HostFacts) -> None:
    reach = _reached(facts, False, True)["reach"]
    assert reach.fix == "keyctl link @u @s"
    assert reach.verdict is (Verdict.WARNING if facts.shares_keyring else Verdict.BROKEN)


def test_what_was_not_searched_for_is_not_judged(facts: HostFacts) -> None:
    assert set(_reached(facts, None, None)) == {"key"}
