"""Measure anylane beside its peers: `make bench`, `make bench-full`.

    python benchmarks/bench.py [quick|parts|typed|older|full] [--seconds N] [--rounds N]
                               [--only PART] [--new] [--works W,...] [--peers P,...]

The server has one core to itself and the load another. Round after round every work is done by
every peer in turn, each round beginning with another peer, so that what the machine does meanwhile
hits all alike. Every sample is written to results/NAME.partial.json at once; a run that was broken
off goes on from there (--new forgets it). At the end the file loses its `.partial`, and report.py
draws.
PART is works, idle, start or scaling.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import report
import scaling
from idle import allow_descriptors, bytes_each
from load import sample
from peers import MAIN, PEERS, Tls
from plan import IMPORTS, PLANS, Plan
from provenance import commit, machine, today, versions
from server import LOAD_CORE, ROOT, SERVER_CORE, Broken, Server, certificate, environment
from works import WORKS, Work, check

RESULTS = Path(__file__).parent / "results"
PARTS = ("works", "start", "idle", "scaling")


class Bench:
    """One run: the servers that it keeps, and what was found so far."""

    def __init__(self, plan: Plan, path: Path, *, fresh: bool) -> None:
        self.plan = plan
        self.path = path
        self.partial = path.with_suffix(".partial.json")
        self.began = time.monotonic()
        self.stack = contextlib.ExitStack()
        self.servers: dict[tuple[str, int, bool], Server] = {}
        self._tls: Tls | None = None
        self._strikes: dict[tuple[str, str], int] = {}
        self.data: dict[str, Any] = {
            "plan": {"name": plan.name, "rounds": plan.rounds, "seconds": plan.seconds},
            "machine": machine(),
            "versions": versions(),
            "commit": commit(),
            "date": today(),
            "samples": [],
            "failed": {},
            "restarts": {},
            "start": [],
            "imports": [],
            "idle": {},
            "scaling": [],
        }
        if not fresh and self.partial.exists():
            before = json.loads(self.partial.read_text(encoding="utf-8"))
            if (before["plan"], before["commit"]) == (self.data["plan"], self.data["commit"]):
                self.data = before
                self.say(f"going on from {len(before['samples'])} samples")

    # -- what is kept

    def say(self, text: str) -> None:
        seconds = int(time.monotonic() - self.began)
        print(f"{seconds // 60:3d}:{seconds % 60:02d}  {text}", flush=True)

    def save(self) -> None:
        self.partial.parent.mkdir(exist_ok=True)
        # Whole or not at all: it may be interrupted here, too.
        beside = self.partial.with_suffix(".tmp")
        beside.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
        beside.replace(self.partial)

    def fail(self, peer: str, what: str, exc: Exception) -> None:
        self._strikes[peer, what] = self._strikes.get((peer, what), 0) + 1
        self.data["failed"].setdefault(peer, {})[what] = str(exc)[:300]
        self.say(f"    {peer}, {what}: {exc}")
        self.save()

    def failed(self, peer: str, what: str) -> bool:
        """Twice: then it is left out. Once may have been the machine's fault."""
        return self._strikes.get((peer, what), 0) > 1

    # -- servers

    def tls(self) -> Tls:
        if self._tls is None:
            folder = self.stack.enter_context(tempfile.TemporaryDirectory())
            self._tls = certificate(Path(folder))
        return self._tls

    def server(self, peer: str, work: Work) -> Server:
        """The peer's server for such works; started anew when it has died, and that is noted."""
        key = (peer, work.middleware, work.tls)
        server = self.servers.get(key)
        if server is None:
            server = self.stack.enter_context(
                Server(
                    PEERS[peer],
                    middleware=work.middleware,
                    tls=self.tls() if work.tls else None,
                )
            )
            self.servers[key] = server
            check(server, work)
            sample(server, work, 1)  # Caches and lazy imports are warm from here on.
        if not server.alive():
            noted = self.data["restarts"]
            noted[peer] = noted.get(peer, 0) + 1
            server.stop()
            server.start()
        return server

    # -- parts

    def works(self) -> None:
        done = {(each["round"], each["work"], each["peer"]) for each in self.data["samples"]}
        total = self.plan.rounds * sum(map(len, self.plan.works.values()))
        checked: set[tuple[str, str]] = set()
        count = 0
        for turn in range(self.plan.rounds):
            for name, peers in self.plan.works.items():
                work = WORKS[name]
                shift = turn % len(peers)
                for peer in (*peers[shift:], *peers[:shift]):
                    count += 1
                    if (turn, name, peer) in done or self.failed(peer, name):
                        continue
                    try:
                        server = self.server(peer, work)
                        if (peer, name) not in checked:
                            check(server, work)
                            checked.add((peer, name))
                        found = sample(server, work, self.plan.seconds)
                    except Broken as exc:
                        self.fail(peer, name, exc)
                        continue
                    self.data["samples"].append(
                        {"round": turn, "work": name, "peer": peer, **found}
                    )
                    self.save()
                    share = f"{found['busy']:4.0%} busy"
                    self.say(f"{count:4d}/{total}  round {turn + 1}  {name:16} {peer:26} {share}")
        self.after_load()

    def after_load(self) -> None:
        """What the servers of the plain works hold when all is over."""
        held = {
            peer: server.memory()
            for (peer, middleware, tls), server in self.servers.items()
            if not middleware and not tls and server.process.poll() is None
        }
        self.data["idle"].setdefault("after load", {}).update(held)
        self.save()

    def start(self) -> None:
        """Until the first connection is taken, and the memory then. In turn, as everything."""
        for turn in range(self.plan.rounds):
            for peer in self.plan.started:
                if any(e["round"] == turn and e["peer"] == peer for e in self.data["start"]):
                    continue
                try:
                    with Server(PEERS[peer]) as server:
                        found = {"seconds": server.started_in, "cpu": server.cpu()}
                        found["memory"] = server.memory()
                except Broken as exc:
                    self.fail(peer, "start", exc)
                    continue
                self.data["start"].append({"round": turn, "peer": peer, **found})
                self.save()
            self.imports(turn)
            self.say(f"round {turn + 1} of start-ups")

    def imports(self, turn: int) -> None:
        """CPU seconds of importing, by an interpreter of its own that tells them."""
        code = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
        for module in IMPORTS:
            if any((e["round"], e["module"]) == (turn, module) for e in self.data["imports"]):
                continue
            done = subprocess.run(
                [sys.executable, "-c", code.format(module)],
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                words = done.stderr.strip().splitlines() or ["it said nothing"]
                self.fail(module, "import", Broken(words[-1]))
                continue
            self.data["imports"].append(
                {"round": turn, "module": module, "seconds": float(done.stdout)}
            )
        self.save()

    def idle(self) -> None:
        for what, peers in (
            ("idle connection", self.plan.idle),
            ("idle WebSocket", self.plan.idle_sockets),
        ):
            found = self.data["idle"].setdefault(what, {})
            for peer in peers:
                if peer in found or self.failed(peer, what):
                    continue
                count = self.plan.crowd if what == "idle connection" else self.plan.crowd // 5
                try:
                    with Server(PEERS[peer]) as server:
                        each = bytes_each(server, count, websocket=what == "idle WebSocket")
                        found[peer] = each
                except Broken as exc:
                    self.fail(peer, what, exc)
                    continue
                self.save()
                self.say(f"{what:18} x {count:,}  {peer:26} {found[peer] / 1024:8.1f} KiB each")

    def scaling(self) -> None:
        done = {(e["round"], e["peer"], e["axis"], e["size"]) for e in self.data["scaling"]}
        peers = [PEERS[name] for name in self.plan.scaling or [MAIN]]
        for turn, peer, axis, size, measure in scaling.plan(peers, self.plan.rounds):
            if (turn, peer.name, axis, size) in done or self.failed(peer.name, axis):
                continue
            try:
                found = measure(self.plan.seconds)
            except Broken as exc:
                self.fail(peer.name, axis, exc)
                continue
            self.data["scaling"].append(
                {"round": turn, "peer": peer.name, "axis": axis, "size": size, **found}
            )
            self.save()
            self.say(f"round {turn + 1}  {axis:18} {size:>9,}  {peer.name}")

    def finish(self) -> None:
        self.save()
        self.partial.replace(self.path)
        self.say(f"wrote {self.path.relative_to(ROOT)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("plan", nargs="?", choices=PLANS, default="quick")
    parser.add_argument("--seconds", type=int, help="of one sample")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", choices=PARTS, action="append", help="these parts; repeatable")
    parser.add_argument("--works", help="these works, by their names in works.py")
    parser.add_argument("--peers", help="peers with one of these words in their names")
    parser.add_argument("--name", help="of the result, by default the plan's")
    parser.add_argument("--new", action="store_true", help="forget a run that was broken off")
    given = parser.parse_args()
    plan: Plan = PLANS[given.plan]
    if (os.cpu_count() or 1) < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    plan = _narrowed(plan, given)
    allow_descriptors(plan.crowd + 2000)
    # As an interrupt: the servers are ended, and the samples are kept.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("broken off; the next run goes on from here"))
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    bench = Bench(plan, RESULTS / f"{given.name or given.plan}.json", fresh=given.new)
    with bench.stack:
        bench.say(f"{plan.name}: the server on core {SERVER_CORE}, the load on core {LOAD_CORE}")
        for part in given.only or PARTS:
            if part == "scaling" and given.plan == "quick" and not given.only:
                continue
            getattr(bench, part)()
    bench.finish()
    if not given.name:
        report.main()


def _narrowed(plan: Plan, given: argparse.Namespace) -> Plan:
    from dataclasses import replace

    words = given.peers.split(",") if given.peers else [""]

    def wanted(peers: list[str]) -> list[str]:
        return [peer for peer in peers if any(word in peer for word in words)]

    if unknown := [word for word in words if not any(word in peer for peer in PEERS)]:
        sys.exit(f"no peer has {unknown[0]!r} in its name; there are {', '.join(PEERS)}")
    works = given.works.split(",") if given.works else list(plan.works)
    if unknown := [work for work in works if work not in plan.works]:
        sys.exit(f"{plan.name} has no work {unknown[0]!r}; it has {', '.join(plan.works)}")
    return replace(
        plan,
        rounds=given.rounds or plan.rounds,
        seconds=given.seconds or plan.seconds,
        works={work: wanted(plan.works[work]) for work in works},
        idle=wanted(plan.idle),
        idle_sockets=wanted(plan.idle_sockets),
        started=wanted(plan.started),
        scaling=wanted(plan.scaling),
    )


if __name__ == "__main__":
    main()
