"""How much memory a 20 MB download to a client that reads slowly costs, on each backend.

    python benchmarks/slow_reader.py

Each server is a process of its own. Its peak resident size is read before and after; the client
reads nothing until the server has stopped producing, and then everything in small pieces.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SIZE = 20_000_000
SERVER = f"""
import sys
from anylane import App, Context
app = App()
@app.get("/")
async def small(ctx: Context) -> str:
    return "small"
@app.get("/large")
async def large(ctx: Context) -> None:
    chunk = b"x" * 50_000
    async with ctx.stream(length={SIZE}) as out:
        for _ in range({SIZE} // len(chunk)):
            await out.write(chunk)
app.run(backend=sys.argv[1], port=0)
"""


def peak(pid: int) -> int:
    """Peak resident size in KiB (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def download(port: int, path: str, pause: float) -> int:
    """Bytes received on a connection with a small receive buffer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    time.sleep(pause)
    received = 0
    while data := client.recv(16384):
        received += len(data)
    client.close()
    return received


def measure(backend: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, backend], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port = int(re.findall(r":(\d+) ", server.stdout.readline())[0])
    for _ in range(3):
        download(port, "/", 0)
    before = peak(server.pid)
    received = download(port, "/large", 1)
    assert received > SIZE
    print(
        f"{backend:8} {before:7,} KiB before, {peak(server.pid) - before:6,} KiB more at the peak"
    )
    server.send_signal(signal.SIGTERM)
    server.wait()


if __name__ == "__main__":
    for name in sys.argv[1:] or ["asyncio", "uvloop", "anyio", "trio", "curio", "threads"]:
        measure(name)
