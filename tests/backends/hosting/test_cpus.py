"""How many workers `--workers auto` starts: CPUs, affinity, and the quotas of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anylane_backends.hosting.cli.options import Options
from anylane_backends.hosting.system.cpus import usable_cpus
from tests.backends.hosting.workers.servers import Server


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/a/b\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
        # The group above has the limit, and in a container the path may be another one's.
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/x/y\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "100000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/a\n1:name=systemd:/a\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, 8),
    ],
)
def test_a_quota_bounds_the_cpus(root, files, expected):
    write(root, files)
    assert usable_cpus(root) == expected


def test_the_affinity_counts():
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no affinity")
    one = {min(os.sched_getaffinity(0))}
    code = "from anylane_backends.hosting.system.cpus import usable_cpus; print(usable_cpus())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: os.sched_setaffinity(0, one),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


@pytest.mark.parametrize(("cpus", "supervised"), [(1, False), (3, True)])
def test_auto_is_a_number_of_workers(monkeypatch, cpus, supervised):
    monkeypatch.setattr("anylane_backends.hosting.cli.options.usable_cpus", lambda: cpus)
    options = Options({"app": "a:b", "workers": "auto"})
    assert options.workers == cpus
    assert options.supervised is supervised


def test_the_line_at_the_start_says_how_many(tmp_path):
    server = Server(tmp_path, "--workers", "auto")
    try:
        cpus = usable_cpus()
        if cpus == 1:
            pytest.skip("one CPU is one process, and has no workers to be told of")
        assert f"(asyncio, auto: {cpus} workers, Python" in server.line
        assert len(server.workers()) == cpus
        assert server.end()[0] == 0
    finally:
        server.close()
