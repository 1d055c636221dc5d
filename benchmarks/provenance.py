"""Where figures come from: machine, versions, commit. What a reader must know to judge them."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

from peers import PEERS

ROOT = Path(__file__).parents[1]


def machine() -> dict[str, Any]:
    import psutil

    model = platform.processor()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": python(),
        "wrk": wrk.split(" [")[0].removeprefix("wrk ").strip(),
    }


def versions() -> dict[str, str]:
    found = {}
    for peer in PEERS.values():
        for package in peer.packages:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                found[package] = "not installed"
    for package in ("uvloop", "h11", "httptools", "orjson", "trio", "anyio", "curio-compat"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return dict(sorted(found.items()))


def commit() -> str:
    """Of the tree that is measured; `+` when it was changed since."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if name.returncode:
        return "unknown"
    changed = subprocess.run(
        [*git, "status", "--porcelain", "core", "backends"],
        capture_output=True,
        text=True,
        check=False,
    )
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def python() -> str:
    """Also whose: one built with profile and link-time optimisation is a quarter faster than one
    that is not, and those who are written in it gain by that."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    if sys.base_prefix == "/usr":
        with contextlib.suppress(OSError):
            return f"{name} of {platform.freedesktop_os_release()['PRETTY_NAME']}"
    optimised = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"{name} built with{'' if optimised else 'out'} --enable-optimizations"


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
