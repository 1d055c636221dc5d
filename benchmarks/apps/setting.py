"""What every app of the benchmarks is told, and the constants they all answer with.

The contract (`works.py` checks the answers before anything is timed):

    GET  /plain          text "Hello, World!"
    GET  /json           {"message": "Hello, World!"}
    GET  /users/{id}     {"id": 42}, the parameter as an integer
    POST /echo/{id}      the JSON body, parsed and serialised again
    POST /upload         {"received": 1048576}, the body read whole
    GET  /download       1 MiB
    WS   /ws             every message back
    WS   /room           a text message of one goes to all that are there
    GET  /events         server-sent events; POST /publish sends the next one to all: {"sent": n}

With BENCH_MIDDLEWARE=3 there are three middleware around every handler, in the framework's own way:
one leaves a value for the handler, one sets a response header, one reads a request header and could
refuse. More of them set more headers. BENCH_ROUTES=n adds n routes that nobody asks for.

The apps called parts_*.py have only the third path, and as many as BENCH_MIDDLEWARE says of these,
in this order: request id, security headers, CORS for `PAGE`, server timing, an access log that is
dropped, trusted hosts, compression from 500 bytes, ETags, signed sessions, a rate limit of `MANY`
in a second.
"""

from __future__ import annotations

import os

PORT = int(os.environ.get("BENCH_PORT", "8000"))
MIDDLEWARE = int(os.environ.get("BENCH_MIDDLEWARE", "0"))
ROUTES = int(os.environ.get("BENCH_ROUTES", "0"))
CERT = os.environ.get("BENCH_CERT", "")
KEY = os.environ.get("BENCH_KEY", "")

PLAIN = "Hello, World!"
MESSAGE = {"message": PLAIN}
MEGABYTE = b"x" * (1 << 20)
EVENT = {"n": 1, "text": "x" * 64}
PAGE = "https://page.example"
SECRET = "a secret of the benchmarks, known to all"
MANY = 100_000
IDLE = 600
"""Keep-alive seconds, where a server has such a setting: idle connections are measured."""


def extra(number: int) -> str:
    """The path of an added route, its parameter as `{id}`."""
    return f"/extra{number}/{{id}}/part"


def header(number: int) -> str:
    """What middleware `number` sets when it is not one of the first three."""
    return f"x-middleware-{number}"
