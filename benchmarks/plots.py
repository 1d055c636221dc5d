"""The plots of the report, as SVG: the same text for the same results."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from figures import Ratio, Samples, of_bare, of_ours, peers_of
from peers import BARE, PEERS
from works import WORKS

OURS, THEIRS, REFERENCE = "#c2410c", "#64748b", "#0f766e"
mpl.rcParams.update(
    {
        "svg.hashsalt": "anylane",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "white",
    }
)


def _colour(peer: str) -> str:
    if peer == BARE:
        return REFERENCE
    return OURS if PEERS[peer].ours else THEIRS


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    # Matplotlib leaves spaces at the ends of lines.
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")


def _bars(axes: Any, rows: list[tuple[str, Ratio]], label: str) -> None:
    names = [name for name, _ in rows]
    medians = [value.median for _, value in rows]
    whiskers = [
        [value.median - value.least for _, value in rows],
        [value.most - value.median for _, value in rows],
    ]
    axes.invert_yaxis()  # The first one on top.
    axes.barh(
        names,
        medians,
        color=[_colour(name) for name in names],
        xerr=whiskers,
        error_kw={"elinewidth": 1, "ecolor": "#111827"},
    )
    axes.set_xlabel(label)


def rates(samples: Samples, work: str, path: Path) -> bool:
    """Everybody at one work: bars of medians, the spread as whiskers."""
    compare = of_bare if WORKS[work].loader == "wrk" else of_ours
    found = [(peer, compare(samples, work, peer)) for peer in peers_of(samples, work)]
    rows = [(peer, value) for peer, value in found if value is not None]
    if not rows:
        return False
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.26 * len(rows)))
    one = "the bare protocol's plaintext" if compare is of_bare else "anylane on uvloop"
    _bars(axes, rows, f"rate ({one} = 1)")
    axes.set_title(WORKS[work].title, loc="left", fontsize=10, fontweight="bold")
    _save(figure, path)
    return True


def memory(found: dict[str, float], title: str, path: Path) -> None:
    rows = [
        (peer, Ratio(size / 1024, size / 1024, size / 1024))
        for peer, size in sorted(found.items(), key=lambda item: item[1])
    ]
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.26 * len(rows)))
    _bars(axes, rows, "KiB of the server's memory for each")
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    _save(figure, path)


def growth(rows: list[dict[str, Any]], path: Path) -> None:
    """Cost of one request against size, the smallest size = 1, one picture for each axis."""
    axes_names = list(dict.fromkeys(row["axis"] for row in rows))
    figure, grid = plt.subplots(
        1, len(axes_names), figsize=(2.6 * len(axes_names), 2.4), squeeze=False
    )
    for axes, axis in zip(grid[0], axes_names, strict=True):
        here = [row for row in rows if row["axis"] == axis]
        for peer in dict.fromkeys(row["peer"] for row in here):
            sizes = sorted({row["size"] for row in here if row["peer"] == peer})
            costs = [cost(here, peer, size) for size in sizes]
            labels = [f"{size:,}" for size in sizes]  # As names, for 0 and 10,000 to fit in.
            axes.plot(labels, costs, marker="o", markersize=3, label=peer,
                      color=_colour(peer) if PEERS[peer].ours else None)  # fmt: skip
        axes.set_title(axis, loc="left", fontsize=10)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(bottom=0)
    grid[0][0].set_ylabel("cost of a request")
    grid[0][0].legend(fontsize=7, frameon=False)
    figure.tight_layout()
    _save(figure, path)


def cost(rows: list[dict[str, Any]], peer: str, size: int) -> float:
    """Core seconds of a request at `size` against the smallest; the median over the rounds."""
    mine = [row for row in rows if row["peer"] == peer]
    least = min(row["size"] for row in mine)
    by = {(row["round"], row["size"]): row["core"] / row["requests"] for row in mine}
    turns = {turn for turn, _ in by}
    return statistics.median(
        by[turn, size] / by[turn, least]
        for turn in turns
        if (turn, size) in by and (turn, least) in by
    )
