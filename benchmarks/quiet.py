"""10,000 quiet WebSockets, and how little they hold: threads, memory, time.

    python benchmarks/quiet.py [--connections 10000] [--http 0] [BACKEND ...]

Every connection is a handler that waits for its client and for a room. Checked: on threads at most
16 workers exist, an echo on a sample comes promptly, a broadcast reaches everybody. Reported: the
rate of handshakes, memory for each connection, CPU time while nothing happens but pings.
--http: idle keep-alive connections instead, each after one request.
"""

from __future__ import annotations

import argparse
import random
import time

from crowd import Crowd, allow_descriptors, serving

WORKERS = 16
SAMPLE = 200

SERVER = f"""
room = Broadcast()

@app.websocket("/quiet")
async def quiet(ctx: Context) -> None:
    with room.subscribe() as subscription:
        ws = await ctx.accept()
        async for source, item in ctx.select(ws, subscription):
            await ws.send(item)

@app.get("/send")
async def send(ctx: Context) -> int:
    return room.send("news")

app.run(backend=sys.argv[1], port=0, max_threads={WORKERS}, max_connections=100_000,
        timeouts=Timeouts(keep_alive=600))
"""
MIB = 1 << 20


def measure(backend: str, connections: int) -> None:
    with serving(SERVER, backend) as server:
        crowd = Crowd(server.port)
        alone = server.figures()
        began = time.monotonic()
        crowd.join(connections, "/quiet")
        joined = time.monotonic() - began
        together = server.figures()
        crowd.wait(5)
        later = server.figures()
        workers = [name for name in later["threads"] if name.startswith("anylane worker")]
        assert len(workers) <= WORKERS, workers
        echoes = []
        for client in random.Random(1).sample(crowd.clients, min(SAMPLE, connections)):
            began = time.monotonic()
            client.send(b"echo")
            crowd.until(lambda: bool(client.received))  # noqa: B023
            echoes.append(time.monotonic() - began)
            assert client.received.pop() == b"echo"
        began = time.monotonic()
        before = server.figures()["cpu"]
        receivers = server.get("/send")
        assert receivers == connections, f"{receivers} receivers"
        crowd.until(lambda: all(client.received for client in crowd.clients))
        reached = time.monotonic() - began
        end = server.figures()
        assert all(client.received == [b"news"] for client in crowd.clients)
        echoes.sort()
        print(
            f"{backend:8} {connections:,} WebSockets in {joined:.1f} s "
            f"({(together['cpu'] - alone['cpu']) / connections * 1e6:.0f} us of CPU each); "
            f"{(together['rss'] - alone['rss']) / connections / 1024:.1f} KiB each "
            f"({together['rss'] / MIB:.0f} MiB in all); {len(workers)} worker threads; "
            f"{(later['cpu'] - together['cpu']) / 5 * 100:.1f} % of a CPU while quiet; "
            f"echo after {echoes[len(echoes) // 2] * 1e3:.1f} ms (median), "
            f"{echoes[-1] * 1e3:.1f} ms (worst of {len(echoes)}); "
            f"one send reached all within {reached:.2f} s "
            f"({(end['cpu'] - before) / connections * 1e6:.0f} us of CPU each)"
        )
        crowd.close()


def measure_http(backend: str, connections: int) -> None:
    with serving(SERVER, backend) as server:
        crowd = Crowd(server.port)
        alone = server.figures()
        crowd.idle(connections, "/send")
        together = server.figures()
        print(
            f"{backend:8} {connections:,} idle HTTP connections: "
            f"{(together['rss'] - alone['rss']) / connections / 1024:.1f} KiB each"
        )
        crowd.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("backends", nargs="*", default=["threads", "asyncio"])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--http", type=int, default=0)
    options = parser.parse_args()
    allow_descriptors(max(options.connections, options.http) + 200)
    for backend in options.backends:
        if options.http:
            measure_http(backend, options.http)
        else:
            measure(backend, options.connections)


if __name__ == "__main__":
    main()
