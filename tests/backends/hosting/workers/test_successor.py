"""A new binary that ends before it accepts."""

from __future__ import annotations

import os
import signal

from tests.backends.hosting.workers.servers import APP, ask

DYING = """
import os, signal, time
from anylane import App

app = App()

@app.on_worker_start
def begin():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGKILL)
    while not os.path.exists("go"):
        time.sleep(0.05)
    os._exit(0)
"""


def test_its_worker_that_lives_on_does_not_hold_the_old_one_up(start, tmp_path):
    """The worker has inherited the pipe through which the old one waits for the new one."""
    server = start("--workers", "2", app=APP)
    (tmp_path / "main.py").write_text(DYING, encoding="ascii")
    os.kill(server.pid, signal.SIGUSR2)
    try:
        server.says("the new binary ended with signal 9: this one stays")
    finally:
        (tmp_path / "go").touch()
    ask(server.port)
    assert server.end()[0] == 0
