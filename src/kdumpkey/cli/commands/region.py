"""region show, simulate, entropy and compare: where the keys may lie in the reserved memory."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

from kdumpkey.cli import region_text as text
from kdumpkey.cli.machines import refuse_arguments
from kdumpkey.errors import KernelError, UsageError, kernel_error
from kdumpkey.region.comparison import Machine, layout_of
from kdumpkey.region.model import PAGE, Policy
from kdumpkey.region.placement import FAILED

if TYPE_CHECKING:
    from kdumpkey.cli.session import Session
    from kdumpkey.region.model import Part
    from kdumpkey.region.placement import Distribution, Layout

_SAMPLES: Final = 100_000
_MOST_SAMPLES: Final = 50_000_000


def show(session: Session) -> None:
    """Draw one layout, and place the keys once."""
    refuse_arguments(session)
    layout = _layout(session, _policy(session))
    seed = session.invocation.number("seed")
    total = max(layout.draws, 1)
    draw = secrets.randbelow(total) if seed is None else seed % total
    try:
        parts = layout.place(draw)
    except KernelError as error:
        raise kernel_error(error.errno, f"Draw {draw} of {total}: {error.reason}.") from error
    _plot(session, {layout.policy: layout}, {layout.policy: parts})
    if session.invocation.flag("json"):
        session.say(json.dumps({**_region(layout), "draw": draw, "segments": _segments(parts)}))
        return
    _head(session, layout)
    session.say(text.bar(layout, parts))
    for line in text.table(layout, parts):
        session.say(line)


def simulate(session: Session) -> None:
    """Place the keys many times, and hold that against the exact distribution."""
    refuse_arguments(session)
    layout = _layout(session, _policy(session))
    given = session.invocation.number("samples")
    samples = _SAMPLES if given is None else given
    if not 0 < samples <= _MOST_SAMPLES:
        raise UsageError(f"Option --samples can be 1 to {_MOST_SAMPLES}.")
    pages = layout.sample(samples, session.invocation.number("seed"))
    found = layout.distribution()
    _plot(session, {layout.policy: layout}, None)
    if session.invocation.flag("json"):
        failed = sum(page == FAILED for page in pages)
        result = {**_region(layout), "samples": samples, "failed": failed, "exact": _numbers(found)}
        session.say(json.dumps(result))
        return
    _head(session, layout)
    for line in text.histogram(layout, pages, found):
        session.say(line)


def entropy(session: Session) -> None:
    """Say exactly how unpredictable the keys' place is under one policy."""
    refuse_arguments(session)
    layout = _layout(session, _policy(session))
    found = layout.distribution()
    _plot(session, {layout.policy: layout}, None)
    if session.invocation.flag("json"):
        session.say(json.dumps({**_region(layout), **_numbers(found)}))
        return
    _head(session, layout)
    for line in text.entropy(layout, found):
        session.say(line)


def compare(session: Session) -> None:
    """Put the policies side by side."""
    refuse_arguments(session)
    layouts = {policy: _layout(session, policy) for policy in Policy}
    found = {policy: layout.distribution() for policy, layout in layouts.items()}
    _plot(session, layouts, None)
    first = next(iter(layouts.values()))
    if session.invocation.flag("json"):
        numbers = {policy.value: _numbers(each) for policy, each in found.items()}
        session.say(json.dumps({**_region(first, policy=False), "policies": numbers}))
        return
    session.say(f"{text.size(first.size_bytes)} reserved at {first.base:#x}: {_contents(first)}")
    for line in text.comparison(found):
        session.say(line)


def _policy(session: Session) -> Policy:
    name = session.invocation.text("policy") or Policy.UPSTREAM.value
    try:
        return Policy(name)
    except ValueError as error:
        known = ", ".join(policy.value for policy in Policy)
        raise UsageError(f"Option --policy can be only {known}.") from error


def _layout(session: Session, policy: Policy) -> Layout:
    options = session.invocation
    machine = Machine(
        crashkernel=options.text("crashkernel") or Machine.crashkernel,
        ram_bytes=options.number("ram") or Machine.ram_bytes,
        keys=1 if (keys := options.number("keys")) is None else keys,
        kernel=options.text("kernel"),
        initrd=options.text("initrd"),
        kernel_bytes=options.number("kernel-size"),
        initrd_bytes=options.number("initrd-size"),
    )
    return layout_of(machine, policy)


def _head(session: Session, layout: Layout) -> None:
    session.say(
        f"{text.size(layout.size_bytes)} reserved at {layout.base:#x}, policy {layout.policy.value}: "
        f"{_contents(layout)}"
    )


def _contents(layout: Layout) -> str:
    return ", ".join(f"{each.name} {text.size(each.nbytes)}" for each in layout.segments)


def _region(layout: Layout, *, policy: bool = True) -> dict[str, object]:
    region: dict[str, object] = {"base": layout.base, "size_bytes": layout.size_bytes}
    if policy:
        region["policy"] = layout.policy.value
    return region


def _segments(parts: tuple[Part, ...]) -> list[dict[str, object]]:
    return [{"name": part.name, "start": part.start, "bytes": part.nbytes} for part in parts]


def _numbers(found: Distribution) -> dict[str, object]:
    return {
        "draws": found.draws,
        "failures": found.failures,
        "failure_probability": found.failure_probability,
        "reachable_pages": found.reachable_pages,
        "shannon_bits": found.shannon_bits,
        "min_entropy_bits": found.min_bits,
        "likeliest_page": found.likeliest_page,
        "page_bytes": PAGE,
    }


def _plot(
    session: Session, layouts: dict[Policy, Layout], parts: dict[Policy, tuple[Part, ...]] | None
) -> None:
    path = session.invocation.text("plot")
    if path is None:
        return
    from kdumpkey.cli.region_plot import plot  # noqa: PLC0415 - matplotlib takes a second to import

    plot(path, layouts, parts)
