"""region show, simulate, entropy and compare: where the keys may lie in the reserved memory."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

import typer

from kdumpkey.cli import options
from kdumpkey.cli import region_text as text
from kdumpkey.cli.action import action
from kdumpkey.cli.options import Json, Keys, Plot, Samples, Seed
from kdumpkey.cli.region_plot import plot_distribution, plot_layout, plot_samples
from kdumpkey.cli.region_sizes import RegionSizes
from kdumpkey.cli.session import Run, Session
from kdumpkey.errors import KernelError, UsageError, kernel_error
from kdumpkey.region.comparison import LoadPlan, layout_of
from kdumpkey.region.model import PAGE, Policy
from kdumpkey.region.placement import FAILED

if TYPE_CHECKING:
    from kdumpkey.region.model import Part
    from kdumpkey.region.placement import Distribution, Layout

app = typer.Typer()
_SAMPLES: Final = 100_000
_MOST_SAMPLES: Final = 50_000_000


@action(app, "show", example="kdumpkey region show --crashkernel 256M --policy hardened")
def show(
    run: Run,
    sizes: RegionSizes,
    policy: options.Policy = None,
    keys: Keys = None,
    seed: Seed = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Draw one layout, and place the keys once."""
    session = run.begin()
    layout = _layout(sizes, keys, _policy(policy))
    total = max(layout.draws, 1)
    draw = secrets.randbelow(total) if seed is None else seed % total
    try:
        parts = layout.place(draw)
    except KernelError as error:
        raise kernel_error(error.errno, f"Draw {draw} of {total}: {error.reason}.") from error
    if plot is not None:
        plot_layout(plot, layout, parts)
    if as_json:
        session.say(json.dumps({**_region(layout), "draw": draw, "segments": _segments(parts)}))
        return
    _head(session, layout)
    session.say(text.bar(layout, parts))
    for line in text.table(layout, parts):
        session.say(line)


@action(app, "simulate", example="kdumpkey region simulate --samples 1000000")
def simulate(
    run: Run,
    sizes: RegionSizes,
    policy: options.Policy = None,
    keys: Keys = None,
    samples_wanted: Samples = None,
    seed: Seed = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Place the keys many times, and compare with the exact distribution."""
    session = run.begin()
    layout = _layout(sizes, keys, _policy(policy))
    samples = _SAMPLES if samples_wanted is None else samples_wanted
    if not 0 < samples <= _MOST_SAMPLES:
        raise UsageError(f"Option --samples can be 1 to {_MOST_SAMPLES}.")
    pages = layout.sample(samples, seed)
    found = layout.distribution()
    if plot is not None:
        plot_samples(plot, layout, pages)
    if as_json:
        failed = sum(page == FAILED for page in pages)
        result = {**_region(layout), "samples": samples, "failed": failed, "exact": _numbers(found)}
        session.say(json.dumps(result))
        return
    _head(session, layout)
    for line in text.histogram(layout, pages, found):
        session.say(line)


@action(app, "entropy", example="kdumpkey region entropy --policy v1")
def entropy(
    run: Run,
    sizes: RegionSizes,
    policy: options.Policy = None,
    keys: Keys = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Say exactly how unpredictable the keys' place is under one policy."""
    session = run.begin()
    layout = _layout(sizes, keys, _policy(policy))
    found = layout.distribution()
    _plot_distribution(plot, {layout.policy: layout})
    if as_json:
        session.say(json.dumps({**_region(layout), **_numbers(found)}))
        return
    _head(session, layout)
    for line in text.entropy(layout, found):
        session.say(line)


@action(app, "compare", example="kdumpkey region compare --crashkernel 512M")
def compare(
    run: Run, sizes: RegionSizes, keys: Keys = None, plot: Plot = None, as_json: Json = False
) -> None:
    """Compare the policies."""
    session = run.begin()
    layouts = {policy: _layout(sizes, keys, policy) for policy in Policy}
    found = {policy: layout.distribution() for policy, layout in layouts.items()}
    _plot_distribution(plot, layouts)
    first = next(iter(layouts.values()))
    if as_json:
        numbers = {policy.value: _numbers(each) for policy, each in found.items()}
        session.say(json.dumps({**_region(first, policy=False), "policies": numbers}))
        return
    for line in text.heading(first):
        session.say(line)
    for line in text.comparison(found):
        session.say(line)


def _policy(name: str | None) -> Policy:
    try:
        return Policy(name or Policy.UPSTREAM.value)
    except ValueError as error:
        known = ", ".join(policy.value for policy in Policy)
        raise UsageError(f"Option --policy can be only {known}.") from error


def _layout(sizes: RegionSizes, keys: int | None, policy: Policy) -> Layout:
    machine = LoadPlan(
        crashkernel=sizes.crashkernel or LoadPlan.crashkernel,
        ram_bytes=sizes.ram_bytes or LoadPlan.ram_bytes,
        keys=1 if keys is None else keys,
        kernel=sizes.kernel,
        initrd=sizes.initrd,
        kernel_bytes=sizes.kernel_bytes,
        initrd_bytes=sizes.initrd_bytes,
    )
    return layout_of(machine, policy)


def _head(session: Session, layout: Layout) -> None:
    for line in text.heading(layout, f", policy {layout.policy.value}"):
        session.say(line)


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


def _plot_distribution(path: str | None, layouts: dict[Policy, Layout]) -> None:
    if path is None:
        return
    plot_distribution(path, layouts)
