"""Ready-made parts, for `app.use`, `router.use` and the `middleware=` of a route.

A part does no I/O, and its clock is the core's. What needs a library imports it when it is made.
"""

from anylane.middleware.auth.basic import BasicAuth as BasicAuth
from anylane.middleware.auth.bearer import BearerAuth as BearerAuth
from anylane.middleware.auth.jwt_auth import JWTAuth as JWTAuth
from anylane.middleware.csrf import CSRF as CSRF
from anylane.middleware.rate_limit.rate_limit import RateLimit as RateLimit
from anylane.middleware.sessions.memory_store import MemoryStore as MemoryStore
from anylane.middleware.sessions.sessions import Sessions as Sessions

__all__: list[str] = [
    "CSRF",
    "BasicAuth",
    "BearerAuth",
    "JWTAuth",
    "MemoryStore",
    "RateLimit",
    "Sessions",
]
