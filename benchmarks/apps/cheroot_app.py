"""cheroot, with Flask or, with `raw`, a bare WSGI function."""

from __future__ import annotations

import importlib
import sys

import setting
from cheroot import wsgi

module = importlib.import_module("raw_wsgi" if "raw" in sys.argv else "flask_app")
wsgi.Server(
    ("127.0.0.1", setting.PORT),
    module.app,
    numthreads=16,
    request_queue_size=1024,
    timeout=setting.IDLE,
).start()
