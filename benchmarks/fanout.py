"""Fan-out: one room, 2,000 WebSockets, one of them reads nothing.

    python benchmarks/fanout.py [--subscribers 2000] [--items 200] [BACKEND ...]

Each backend twice: each handler takes from its subscription and sends, and each says once that the
room is to be relayed. All but the slow one must get every item in order; the slow one loses its
oldest items while the room goes on, and is dropped by the write-stall deadline. Fails if the
others miss anything, or if the slow one stays. Reported: what it lost, the server's memory before,
with all of them in, and at its peak, and its CPU time per message.
"""

from __future__ import annotations

import argparse
import time

from crowd import Crowd, allow_descriptors, serving

CAPACITY = 64
STALL = 20
AMPLIFIED = 256
"""How much more the slow one is sent than the others: so the kernel's buffers are full soon."""

SERVER = f"""
room = Broadcast(capacity={CAPACITY})
slow = []

@app.websocket("/room/{{times:int}}")
async def join(ctx: Context) -> None:
    times = ctx.params["times"]
    with room.subscribe() as subscription:
        if times > 1:
            slow.append(subscription)
        ws = await ctx.accept()
        async for item in subscription:
            await ws.send(item if times == 1 else item * times)

@app.websocket("/relay/{{times:int}}")
async def relay(ctx: Context) -> None:
    times = ctx.params["times"]
    with room.subscribe() as subscription:
        if times > 1:
            slow.append(subscription)
        ws = await ctx.accept()
        await ws.relay(subscription, None if times == 1 else lambda item: item * times)

@app.get("/send/{{first:int}}/{{last:int}}")
async def send(ctx: Context) -> int:
    for n in range(ctx.params["first"], ctx.params["last"]):
        room.send(f"{{n:08}}" + "x" * 1016)
    return room.receivers

def more() -> dict:
    return {{"receivers": room.receivers, "lagged": slow[0].lagged if slow else 0}}

app.run(backend=sys.argv[1], port=0, timeouts=Timeouts(write_stall={STALL}))
"""
MIB = 1 << 20
BATCH = 16


def measure(backend: str, way: str, subscribers: int, items: int) -> None:
    with serving(SERVER, backend) as server:
        crowd = Crowd(server.port)
        alone = server.figures()
        began = time.monotonic()
        crowd.join(subscribers - 1, f"/{way}/1")
        joined = time.monotonic() - began
        slow = Crowd(server.port)
        slow.join(1, f"/{way}/{AMPLIFIED}")
        together = server.figures()
        assert together["receivers"] == subscribers
        began = time.monotonic()
        for first in range(0, items, BATCH):
            last = min(first + BATCH, items)
            server.get(f"/send/{first}/{last}")
            crowd.until(lambda: all(len(client.received) >= last for client in crowd.clients))  # noqa: B023
        took = time.monotonic() - began
        after = server.figures()
        expected = [b"%08d" % n + b"x" * 1016 for n in range(items)]
        for client in crowd.clients:
            assert client.received == expected, "an item is missing, or out of order"
        deadline = time.monotonic() + 2 * STALL
        while (end := server.figures())["receivers"] == subscribers:
            assert time.monotonic() < deadline, "the slow one is still there"
            crowd.wait(1)
        assert end["receivers"] == subscribers - 1, "somebody else is gone"
        messages = items * (subscribers - 1)
        print(
            f"{backend:8} {way:5} joined in {joined:.1f} s; "
            f"resident {alone['rss'] / MIB:.0f} MiB alone, "
            f"{together['rss'] / MIB:.0f} with {subscribers:,} "
            f"({(together['rss'] - alone['rss']) / subscribers / 1024:.1f} KiB each), "
            f"{end['peak'] / MIB:.0f} at the peak; {messages:,} messages in {took:.1f} s, "
            f"{(after['cpu'] - together['cpu']) / messages * 1e6:.1f} us of CPU each; "
            f"{len(end['threads'])} threads; "
            f"the slow one lost {end['lagged']} of {items} and is gone"
        )
        crowd.close()
        slow.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("backends", nargs="*", default=["asyncio", "threads"])
    parser.add_argument("--subscribers", type=int, default=2000)
    parser.add_argument("--items", type=int, default=200)
    options = parser.parse_args()
    allow_descriptors(options.subscribers + 200)
    for backend in options.backends:
        for way in ("room", "relay"):
            measure(backend, way, options.subscribers, options.items)


if __name__ == "__main__":
    main()
