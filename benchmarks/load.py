"""One sample: put a load on a server for some seconds, and say what came of it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from server import LOAD_CORE, Broken, Server
from works import Work

HERE = Path(__file__).parent


def command(server: Server, work: Work, seconds: float) -> list[str]:
    pinned = ["taskset", "-c", LOAD_CORE]
    if work.loader == "wrk":
        scheme = "https" if work.tls else "http"
        return [
            *pinned,
            *("wrk", "-t1", f"-c{work.connections}", f"-d{seconds:g}s", "--timeout", "10s"),
            *("-s", str(HERE / "wrk.lua"), f"{scheme}://127.0.0.1:{server.port}{work.path}"),
            *("--", *work.wrk),
        ]
    return [
        *pinned,
        *(sys.executable, str(HERE / "crowd_load.py"), work.loader, str(server.port), work.path),
        *(str(work.connections), f"{seconds:g}", *work.wrk),
    ]


def sample(server: Server, work: Work, seconds: float) -> dict[str, Any]:
    """`rate`, the server's share of its core (`busy`) and seconds of it (`core`), the loader's own.

    The share is taken from the middle of the run: its first and last parts are connecting.
    """
    whole = max(1, round(seconds)) if work.loader == "wrk" else seconds  # wrk knows no fractions
    before_all = server.cpu()
    used, began = _children(), time.perf_counter()
    process = subprocess.Popen(
        command(server, work, whole), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    busy: list[float] = []

    def watch() -> None:
        time.sleep(whole * 0.4)
        before, began = server.cpu(), time.perf_counter()
        time.sleep(whole * 0.45)
        busy.append((server.cpu() - before) / (time.perf_counter() - began))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, _ = process.communicate(timeout=whole * 3 + 60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Broken("the load did not end") from None
    finally:
        watcher.join()
    core = server.cpu() - before_all
    load_busy = (_children() - used) / (time.perf_counter() - began)
    found = [line for line in output.splitlines() if line.startswith("JSON ")]
    if not found:
        raise Broken(f"the load failed: {' / '.join(output.strip().splitlines()[-2:])}")
    result: dict[str, Any] = json.loads(found[0][5:])
    if not result["requests"]:
        raise Broken("nothing was answered")
    if result.get("status"):
        raise Broken(f"{result['status']} of {result['requests']} answers were no success")
    return {
        "rate": result["requests"] / result["seconds"],
        "busy": busy[0],
        "core": core,
        "load_busy": load_busy,
        **result,
    }


def _children() -> float:
    """CPU seconds of children that have ended: in a sample, the load and nobody else."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
