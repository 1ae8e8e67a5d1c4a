"""The search for plans, measured: optimality against brute force on thousands of registries, time and memory on large.

`python -m tests.bench.planner` prints both; `--registries N` says how many small registries are tried.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, combinations

from planner.assembly.assemble import assemble_plan
from planner.assembly.diagnostics import PlanRejectedError
from planner.assembly.index import RegistryIndex, index_of
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.envelope import check_envelope
from tests.support.options import Option, find_best, forward
from tests.support.planning import capability, facet_contract, text_facets

LETTERS = "abcdefgh"
DEEP, WIDE = 10, 3
FACETS = tuple(f"f{level}x{place}" for level in range(DEEP) for place in range(WIDE))
CATALOGUE = text_facets(("start", *FACETS))
ROUNDS = 100
SIZES = (100, 1_000, 10_000)


def small(rng: random.Random) -> tuple[list[Option], frozenset[str], frozenset[str]]:
    """Return a registry of up to twelve options, what is given and what is wanted."""
    options = [
        Option(
            f"c{i}",
            frozenset(rng.sample(LETTERS, rng.choice((0, 1, 1, 2, 3)))),
            frozenset(rng.sample(LETTERS, rng.randint(1, 3))),
            rng.randint(0, 9),
        )
        for i in range(rng.randint(1, 12))
    ]
    return options, frozenset(rng.sample(LETTERS, rng.randint(0, 1))), frozenset(rng.sample(LETTERS, rng.randint(1, 3)))


def by_trying(options: list[Option], given: frozenset[str], targets: frozenset[str]) -> int | None:
    """Return the least cost of any set of options that can all run and make the targets."""
    best: int | None = None
    for chosen in chain.from_iterable(combinations(options, size) for size in range(len(options) + 1)):
        cost = sum(option.cost for option in chosen)
        if best is not None and cost >= best:
            continue
        had, running = forward(chosen, given)
        if targets <= had and len(running) == len(chosen):
            best = cost
    return best


def optimality(registries: int) -> tuple[int, int]:
    """Return how many small registries were tried, and on how many the search was wrong."""
    rng, wrong = random.Random(5), 0
    for _ in range(registries):
        options, given, targets = small(rng)
        found = find_best(options, given, targets)
        exact = found is None or found.exact
        wrong += not exact or (None if found is None else found.cost) != by_trying(options, given, targets)
    return registries, wrong


def layered(size: int, rng: random.Random) -> list[Capability]:
    """Return capabilities in ten layers of three facets, each making one or two out of the layer before."""
    found = []
    for i in range(size):
        level, place = divmod(i % len(FACETS), WIDE)
        needs = [f"f{level - 1}x{p}" for p in rng.sample(range(WIDE), rng.choice((1, 2)))] if level else ["start"]
        makes = {f"f{level}x{place}", *([f"f{level}x{rng.randrange(WIDE)}"] if rng.random() < 0.3 else [])}
        found.append(_made(i, needs, makes, rng))
    return found


def chained(size: int, rng: random.Random) -> list[Capability]:
    """Return capabilities in a chain of thirty facets, so that every plan has thirty nodes."""
    found = []
    for i in range(size):
        at = i % len(FACETS)
        needs = {FACETS[at - 1] if at else "start"} | (
            {FACETS[rng.randrange(at)]} if at > 1 and rng.random() < 0.2 else set()
        )
        found.append(_made(i, sorted(needs), {FACETS[at]}, rng))
    return found


def scattered(size: int, rng: random.Random) -> list[Capability]:
    """Return capabilities that make anything out of anything."""
    found = []
    for i in range(size):
        needs = rng.sample(FACETS, rng.randint(1, 3)) if rng.random() < 0.9 else ["start"]
        found.append(_made(i, needs, set(rng.sample(FACETS, rng.randint(1, 3))), rng))
    return found


def _made(number: int, needs: list[str], makes: set[str], rng: random.Random) -> Capability:
    cost = {"estimatedTokens": rng.randint(100, 9000), "pricePer1kTokens": rng.choice((0.002, 0.01, 0.03))}
    return capability(f"c{number:05}", needs, sorted(makes), cost=cost)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of processor time and of wall time for one request, and how many capabilities the plan holds."""

    processor: float
    wall: float
    nodes: int


def timed(shape: Callable[[int, random.Random], list[Capability]], size: int, rounds: int = ROUNDS) -> list[Timing]:
    """Return what whole plans cost from one warm registry, for envelopes that want different things."""
    rng = random.Random(size)
    registry = RegistrySnapshot(tuple(shape(size, rng)))
    index_of(registry)
    taken = []
    for turn in range(rounds + 1):
        targets = [FACETS[-1]] if shape is chained else rng.sample(FACETS[-WIDE:], rng.randint(1, WIDE))
        envelope = check_envelope(_asking(targets), CATALOGUE)
        processor, wall = time.process_time(), time.perf_counter()
        try:
            plan = assemble_plan(envelope, registry, CATALOGUE)
        except PlanRejectedError:
            continue
        spent = (time.process_time() - processor) * 1000, (time.perf_counter() - wall) * 1000
        if turn:
            taken.append(Timing(*spent, sum(not node.virtual for node in plan.nodes)))
    return taken


def memory(size: int) -> tuple[float, float]:
    """Return the MiB that a registry of the size takes, and its index beside it."""
    tracemalloc.start()
    registry = RegistrySnapshot(tuple(layered(size, random.Random(size))))
    alone = tracemalloc.get_traced_memory()[0]
    index = RegistryIndex(registry)
    both = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del index
    return alone / 2**20, (both - alone) / 2**20


def p95(values: Iterable[float]) -> float:
    found = sorted(values)
    return found[min(len(found) - 1, round(0.95 * len(found)))]


def _asking(targets: list[str]) -> dict[str, object]:
    return {"objective": "Make it", "inputs": {"start": "given"}, "outputContract": facet_contract(*targets)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registries", type=int, default=3000)
    tried, wrong = optimality(parser.parse_args().registries)
    print(f"optimality: {tried} registries of up to 12 capabilities against brute force, {wrong} wrong")
    print("p95 of a whole plan in a warm process, in ms: processor time, wall time")
    for shape in (layered, chained, scattered):
        for size in SIZES:
            taken = timed(shape, size)
            if taken:
                median, nodes = statistics.median(t.processor for t in taken), max(t.nodes for t in taken)
                print(
                    f"{shape.__name__:>10} {size:>6}: {p95(t.processor for t in taken):6.1f}, "
                    f"{p95(t.wall for t in taken):6.1f} (median {median:.1f}; up to {nodes} nodes)"
                )
    for size in SIZES:
        alone, index = memory(size)
        print(f"memory {size:>6}: registry {alone:.1f} MiB, its index {index:.1f} MiB")
    print(f"memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB at most")


if __name__ == "__main__":
    main()
