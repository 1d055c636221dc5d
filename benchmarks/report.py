"""Write REPORT.md and its plots from results/*.json, and the essence into docs/performance.md.

    python benchmarks/report.py [quick|full]

A run that is named (or the quick one) comes first; what it lacks is taken from the others.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plots
from figures import (
    SATURATED,
    Ratio,
    Samples,
    against,
    beside,
    busy,
    core_time,
    disturbed,
    number,
    of_bare,
    of_ours,
    peers_of,
    ratio,
    unit,
    works_of,
)
from peers import BARE, MAIN, OURS, PEERS
from targets import TARGETS, Target, answers, verdict
from works import WORKS

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PLOTS = HERE / "plots"
METHOD = HERE / "method.md"
PAGE = HERE.parent / "docs" / "performance.md"
RUNS = ("quick", "full", "scaling", "parts", "typed")
OLDER = RESULTS / "older.json"
"""A run on a Python before 3.12, which is never mixed with the others."""


class Runs:
    """The result files, the preferred one first."""

    def __init__(self, prefer: str) -> None:
        order = sorted(RUNS, key=lambda name: name != prefer)
        self.all: list[dict[str, Any]] = []
        for name in order:
            path = RESULTS / f"{name}.json"
            if path.exists():
                self.all.append(json.loads(path.read_text(encoding="utf-8")))
        if not self.all:
            sys.exit("there is no result yet: `make bench`")
        self.main = self.all[0]

    def samples(self) -> Samples:
        """Of each work those of the first run that has it."""
        found: Samples = []
        for run in self.all:
            known = set(works_of(found))
            found += [each for each in run["samples"] if each["work"] not in known]
        return found

    def part(self, name: str) -> Any:
        return next((run[name] for run in self.all if run.get(name)), None)

    def idle(self, name: str) -> dict[str, float]:
        return next((run["idle"][name] for run in self.all if run["idle"].get(name)), {})

    def failed(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for run in self.all[::-1]:
            for peer, what in run["failed"].items():
                found.setdefault(peer, {}).update(what)
        return found


def targets(samples: Samples, wanted: tuple[Target, ...] = TARGETS) -> Iterator[str]:
    yield "| target | against | wanted | our rate / theirs | their core time / ours | |"
    yield "|---|---|---:|---:|---:|---|"
    for target, rival, found, cheaper in answers(samples, wanted):
        rate = "" if found is None else beside(found, target.factor)
        cost = "" if cheaper is None else str(cheaper)
        told = verdict(target, found)
        yield f"| {target.text} | {rival} | {target.factor:g} | {rate} | {cost} | {told} |"
    yield ""
    yield (
        "A target is met or missed by the median of the rounds' ratios; in brackets the least and "
        "the most of them. Over 1 is good for us in both columns, and core time is fair also where "
        "a server waited."
    )


def older() -> Iterator[str]:
    """The targets on a Python that starts no task eagerly, if there is such a run."""
    if not OLDER.exists():
        return
    run = json.loads(OLDER.read_text(encoding="utf-8"))
    yield "## The same on a Python without eager tasks"
    yield ""
    yield (
        f"Measured on {_place(run)}, {run['plan']['rounds']} rounds of {run['plan']['seconds']} s. "
        "Before Python 3.12 a handler begins in the next turn of the loop, and the interpreter is "
        "slower; peers in C, C++ and Rust are not."
    )
    yield ""
    works = works_of(run["samples"])
    measured = tuple(each for each in TARGETS if each.work in works)
    yield from targets(run["samples"], measured)
    yield ""


def _name(peer: str) -> str:
    return f"**{peer}**" if PEERS[peer].ours else peer


def rates(samples: Samples, work: str) -> Iterator[str]:
    # Nothing is divided by the bare protocol of another run, which may be another machine's.
    http = WORKS[work].loader == "wrk" and WORKS[work].needs not in ("parts", "typed")
    if WORKS[work].note:
        yield f"({WORKS[work].note})"
        yield ""
    bare = "bare = 1 | " if http else ""
    yield f"| peer | {bare}anylane on uvloop = 1 | core time of one, anylane's = 1 | busy |"
    yield f"|---|---:|{'---:|' if http else ''}---:|---:|"
    for peer in peers_of(samples, work):
        ours = work, unit(samples, work)
        cells = [_marked(of_ours(samples, work, peer), samples, (work, peer), ours)]
        if http:
            plain = ("plaintext", BARE)
            cells.insert(0, _marked(of_bare(samples, work, peer), samples, (work, peer), plain))
        cost = core_time(samples, work, peer)
        share = busy(samples, work, peer)
        yield f"| {_name(peer)} | {' | '.join(cells)} | {cost or ''} | {share:.0%} |"


def _marked(
    found: Ratio | None, samples: Samples, mine: tuple[str, str], unit: tuple[str, str]
) -> str:
    """A ratio, and which of the two could have done more: it is a bound then, or not even that."""
    if found is None:
        return ""
    if mine == unit:
        return str(found)
    match tuple(busy(samples, *each) < SATURATED for each in (mine, unit)):
        case (True, True):
            return f"~ {found}"
        case (True, False):
            return f"≥ {found}"
        case (False, True):
            return f"≤ {found}"
        case _:
            return str(found)


def latency(samples: Samples, work: str) -> Iterator[str]:
    """Percentiles, against the p50 of anylane on uvloop in the same round."""
    yield "| peer | p50 | p99 | p99.9 | busy |"
    yield "|---|---:|---:|---:|---:|"
    base = {
        each["round"]: each["p50"]
        for each in samples
        if each["work"] == work and each["peer"] == MAIN
    }
    rows = []
    for peer in peers_of(samples, work):
        mine = [e for e in samples if (e["work"], e["peer"]) == (work, peer)]
        cells = [
            ratio(each[key] / base[each["round"]] for each in mine if base.get(each["round"]))
            for key in ("p50", "p99", "p999")
        ]
        if None not in cells:
            rows.append((cells[1].median if cells[1] else 0.0, peer, cells))
    for _, peer, cells in sorted(rows, key=lambda row: row[0]):
        yield f"| {_name(peer)} | {' | '.join(map(str, cells))} | {busy(samples, work, peer):.0%} |"


def memory(found: dict[str, float]) -> Iterator[str]:
    yield "| peer | KiB for each | anylane on uvloop = 1 |"
    yield "|---|---:|---:|"
    for peer, size in sorted(found.items(), key=lambda item: item[1]):
        share = number(size / found[MAIN]) if found.get(MAIN) else ""
        yield f"| {_name(peer)} | {size / 1024:.1f} | {share} |"


def started(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Times against the bare protocol's, which is the interpreter, uvloop and little else."""
    yield "| peer | until it takes a connection, bare = 1 | memory then, MiB |"
    yield "|---|---:|---:|"
    bare = {row["round"]: row["seconds"] for row in rows if row["peer"] == BARE}
    found = []
    for peer in dict.fromkeys(row["peer"] for row in rows):
        mine = [row for row in rows if row["peer"] == peer]
        time = ratio(row["seconds"] / bare[row["round"]] for row in mine if row["round"] in bare)
        if time is not None:
            size = statistics.median(row["memory"] for row in mine) / 2**20
            found.append((time.median, peer, time, size))
    for _, peer, time, size in sorted(found):
        yield f"| {_name(peer)} | {time} | {size:.0f} |"


def imported(rows: list[dict[str, Any]]) -> Iterator[str]:
    """CPU time, asyncio's = 1."""
    yield "| module | CPU time of importing it, asyncio = 1 |"
    yield "|---|---:|"
    unit = {row["round"]: row["seconds"] for row in rows if row["module"] == "asyncio"}
    found = []
    for module in dict.fromkeys(row["module"] for row in rows):
        mine = [row for row in rows if row["module"] == module]
        cost = ratio(row["seconds"] / unit[row["round"]] for row in mine if row["round"] in unit)
        if cost is not None:
            found.append((cost.median, module, cost))
    for _, module, cost in sorted(found):
        yield f"| {'**anylane**' if module == 'anylane' else module} | {cost} |"


def scaling(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| what grows | peer | cost of a request, at the least = 1 |"
    yield "|---|---|---|"
    for axis in dict.fromkeys(row["axis"] for row in rows):
        here = [row for row in rows if row["axis"] == axis]
        for peer in dict.fromkeys(row["peer"] for row in here):
            sizes = sorted({row["size"] for row in here if row["peer"] == peer})
            costs = (f"{size:,}: {number(plots.cost(here, peer, size))}" for size in sizes)
            yield f"| {axis} | {peer} | {' · '.join(costs)} |"


def micro() -> Iterator[str]:
    path = RESULTS / "core.json"
    if not path.exists():
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    yield "## The core by itself"
    yield ""
    yield (
        "`core.py`: the driver, the protocol, routing and the handler, with a transport that only "
        "keeps what is written. The unit is a fixed loop of plain Python; counted are "
        f"{'machine instructions (callgrind)' if found['kind'] == 'instructions' else 'CPU times'}."
    )
    if "commit" in found:
        yield f"Saved on {found['date']} at {found['commit']}, {found['python']}."
    yield ""
    yield "| case | of the reference loop | Python calls a request |"
    yield "|---|---:|---:|"
    for name, row in found["cases"].items():
        yield f"| {name} | {number(row['ratio'])} | {row['calls']:g} |"
    yield ""


ENOUGH = 6
"""Seconds of each work and peer, over all rounds, that a figure needs."""
QUIET = 0.1
"""Share of disturbed samples with which a machine is called quiet."""


def caution(runs: Runs) -> Iterator[str]:
    """How far the figures can be trusted, by the figures."""
    for run in runs.all:
        if run is not runs.main and run["plan"]["name"] != "typed":
            continue
        plan, share = run["plan"], disturbed(run["samples"])
        seconds = plan["rounds"] * plan["seconds"]
        faults = []
        if seconds < ENOUGH:
            faults.append(f"each peer had {seconds} s for a work, where {ENOUGH} are wanted")
        if share > QUIET:
            faults.append(
                f"in {share:.0%} of the samples neither server nor load used {SATURATED:.0%} of "
                "its core: something else had it, or they waited for each other"
            )
        if faults:
            which = "" if run is runs.main else f" in the run `{plan['name']}`"
            yield (
                f"**Not to be trusted to the digit{which}:** {'; '.join(faults)}. Read the rates "
                "as orders of magnitude, and look at the core time."
            )
            yield ""


def contents(text: str) -> str:
    """Links to the sections."""
    found = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    anchors = (re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in found)
    return " · ".join(f"[{each}](#{anchor})" for each, anchor in zip(found, anchors, strict=True))


def heading(runs: Runs, text: str) -> Iterator[str]:
    """Above the body, whose sections it names."""
    run = runs.main
    machine, plan = run["machine"], run["plan"]
    yield "# Benchmarks"
    yield ""
    yield "anylane beside its peers, in ratios. Drawn by `report.py` from [results/](results); no"
    yield "figure on this page was written by hand."
    yield ""
    yield (
        f"This is the {plan['name']} run of {run['date']} at {run['commit']}: {plan['rounds']} "
        f"rounds, {plan['seconds']} s for each sample, on {machine['cpu']} with {machine['cores']} "
        f"cores, {machine['python']}. What it lacks is taken from the other runs, where there are "
        "any ([all of them](#machine-and-versions))."
    )
    yield ""
    yield from caution(runs)
    yield contents(text)
    yield ""


def body(runs: Runs) -> Iterator[str]:
    samples = runs.samples()
    yield "## Targets"
    yield ""
    yield from targets(samples)
    yield ""
    yield from older()
    yield METHOD.read_text(encoding="utf-8")
    yield from unmeasured(runs, samples)
    yield "## Throughput"
    yield ""
    for work in works_of(samples):
        if not work.startswith("latency"):
            yield from _throughput(samples, work)
    for work in works_of(samples):
        if work.startswith("latency"):
            yield f"## Latency: {WORKS[work].title}"
            yield ""
            yield "In units of the p50 of anylane on uvloop."
            yield ""
            yield from latency(samples, work)
            yield ""
    yield from _memory(runs)
    if rows := runs.part("start"):
        yield "## Start-up"
        yield ""
        yield from started(rows)
        yield ""
    if rows := runs.part("imports"):
        yield "## Import"
        yield ""
        yield from imported(rows)
        yield ""
    if rows := runs.part("scaling"):
        plots.growth(rows, PLOTS / "scaling.svg")
        yield "## How cost grows"
        yield ""
        yield "The server's core time for one request, against the smallest size."
        yield ""
        yield "![how cost grows](plots/scaling.svg)"
        yield ""
        yield from scaling(rows)
        yield ""
    yield from micro()
    yield "## Who did not take part, or not always, and why"
    yield ""
    yield from absent(runs)
    yield ""
    yield "## Machine and versions"
    yield ""
    yield from _machine(runs)


PARTS = {
    "idle connection": "memory of an idle connection",
    "idle WebSocket": "memory of an idle WebSocket",
    "start": "start-up",
    "imports": "import",
    "scaling": "how cost grows",
}


def unmeasured(runs: Runs, samples: Samples) -> Iterator[str]:
    """What the generator knows and no run has."""
    works = [WORKS[name].title for name in WORKS if name not in works_of(samples)]
    parts = [title for name, title in PARTS.items() if not (runs.part(name) or runs.idle(name))]
    if works or parts:
        yield "## Not in these runs"
        yield ""
        yield "`make bench-full` and `make bench-scaling` measure them."
        yield ""
        yield from (f"* {each}" for each in (*works, *parts))
        yield ""


def _throughput(samples: Samples, work: str) -> Iterator[str]:
    title = WORKS[work].title
    yield f"### {title[0].upper()}{title[1:]}"
    yield ""
    if plots.rates(samples, work, PLOTS / f"{work}.svg"):
        yield f"![{title}](plots/{work}.svg)"
        yield ""
    yield from rates(samples, work)
    yield ""


def _memory(runs: Runs) -> Iterator[str]:
    for name, title in (
        ("idle connection", "Memory of an idle connection"),
        ("idle WebSocket", "Memory of an idle WebSocket"),
    ):
        found = runs.idle(name)
        if not found:
            continue
        file = f"{name.replace(' ', '-')}.svg"
        plots.memory(found, title, PLOTS / file)
        yield f"## {title}"
        yield ""
        yield f"![{title}](plots/{file})"
        yield ""
        yield from memory(found)
        yield ""
    found = runs.idle("after load")
    if not found:
        return
    yield "## Memory after the load"
    yield ""
    yield "All of the server, when the throughput was measured."
    yield ""
    yield "| peer | MiB |"
    yield "|---|---:|"
    for peer, size in sorted(found.items(), key=lambda item: item[1]):
        yield f"| {_name(peer)} | {size / 2**20:.0f} |"
    yield ""


def _machine(runs: Runs) -> Iterator[str]:
    """Of each run: they need not be of one day, nor of one machine."""
    for run in runs.all:
        machine, plan = run["machine"], run["plan"]
        yield (
            f"* The {plan['name']} run, {run['date']}, anylane at {run['commit']}, "
            f"{plan['rounds']} rounds of {plan['seconds']} s: {machine['cpu']}, "
            f"{machine['cores']} cores, "
            f"{machine['memory_gib']} GiB, {machine['system']}, {machine['python']}, "
            f"wrk {machine['wrk']}."
        )
    yield ""
    versions = runs.main["versions"].items()
    yield ", ".join(f"{name} {version}" for name, version in versions) + "."


def absent(runs: Runs) -> Iterator[str]:
    failed = runs.failed()
    missing = [
        name for name, version in runs.main["versions"].items() if version == "not installed"
    ]
    for name in missing:
        yield f"* {name} could not be installed."
    for peer, what in failed.items():
        for work, why in what.items():
            yield f"* {peer}, {work}{_took_part(runs, peer, work)}: `{why.replace('`', chr(39))}`"
    for run in runs.all:
        for peer, count in run["restarts"].items():
            yield (
                f"* {peer} had died or stopped answering after a sample, and was started again: "
                f"{count} times in the {run['plan']['name']} run."
            )
    if not failed and not missing:
        yield "Every peer of the table installed, started and gave the right answers."


def faster(samples: Samples) -> Iterator[str]:
    """Who is faster than we are, in each work where somebody is."""
    for work in works_of(samples):
        rates = ((peer, of_ours(samples, work, peer)) for peer in peers_of(samples, work))
        ahead = [
            f"{peer} {number(found.median)}"
            for peer, found in rates
            if found and found.median > 1 and peer != BARE and not PEERS[peer].ours
        ]
        if ahead and not work.startswith("latency"):
            yield f"| others are faster: {WORKS[work].title} | {' · '.join(ahead)} |"


def _took_part(runs: Runs, peer: str, work: str) -> str:
    """In how many rounds of those that are shown, if any."""
    turns = {e["round"] for e in runs.samples() if (e["work"], e["peer"]) == (work, peer)}
    return f" (measured in {len(turns)} of the rounds)" if turns else ""


def _place(run: dict[str, Any]) -> str:
    machine = run["machine"]
    return (
        f"{machine['cpu']}, {machine['python']}, {machine['system']}, {run['date']}, at "
        f"{run['commit']}"
    )


def essence(runs: Runs) -> str:
    """What docs/performance.md shows."""
    samples = runs.samples()
    lines = [*caution(runs), *targets(samples), ""]
    rows = [
        (title, work)
        for work, title in (
            ("plaintext", "plaintext"),
            ("routed", "route, three middleware, JSON"),
            ("changing", "the same, headers never the same twice"),
            ("ws-64", "WebSocket echo, 64 B"),
            ("typed", "typed handler: path, query, JSON of eight fields, typed answer"),
        )
        if work in works_of(samples)
    ]
    lines += ["| work | anylane on uvloop = 1; the fastest first |", "|---|---|"]
    for title, work in rows:
        others = [
            f"{'**anylane**' if peer == unit(samples, work) else peer} {number(found.median)}"
            for peer in peers_of(samples, work)
            if (peer == unit(samples, work) or not PEERS[peer].ours)
            and (found := of_ours(samples, work, peer)) is not None
        ]
        lines.append(f"| {title} | {' · '.join(others[:8])} |")
    lines += faster(samples)
    lanes = [
        (name, found)
        for name, peer in OURS.items()
        if (found := against(samples, "plaintext", peer, BARE)) is not None
    ]
    if lanes:
        cells = " · ".join(f"{name} {number(found.median)}" for name, found in lanes)
        lines.append(f"| plaintext on each lane, the bare protocol = 1 | {cells} |")
    if found_idle := runs.idle("idle connection"):
        cells = " · ".join(
            f"{'**anylane**' if peer == MAIN else peer} {size / 1024:.1f}"
            for peer, size in sorted(found_idle.items(), key=lambda item: item[1])
        )
        lines.append(f"| KiB of memory for an idle connection | {cells} |")
    lines += ["", f"Measured on {_place(runs.main)}."]
    lines += [
        f"The works of the run `{run['plan']['name']}`: on {_place(run)}."
        for run in runs.all[1:]
        if run["plan"]["name"] in works_of(samples)
    ]
    return "\n".join(lines)


def main(prefer: str = "quick") -> None:
    if prefer not in RUNS:
        sys.exit(f"there is no run {prefer!r}; expected {', '.join(RUNS)}")
    runs = Runs(prefer)
    for old in PLOTS.glob("*.svg"):  # Of works that no run has any more.
        old.unlink()
    text = "\n".join(body(runs)).rstrip() + "\n"
    head = "\n".join(heading(runs, text))
    (HERE / "REPORT.md").write_text(f"{head}\n{text}", encoding="utf-8")
    print("wrote benchmarks/REPORT.md")
    if PAGE.exists():
        begin, end = "<!-- essence:begin -->", "<!-- essence:end -->"
        page = PAGE.read_text(encoding="utf-8")
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            sys.exit(f"docs/performance.md lacks the markers {begin} and {end}")
        PAGE.write_text(f"{before}{begin}\n{essence(runs)}\n{end}{after}", encoding="utf-8")
        print("wrote docs/performance.md")


if __name__ == "__main__":
    main(*sys.argv[1:2])
