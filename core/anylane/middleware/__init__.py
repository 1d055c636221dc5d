"""Ready-made parts, for `app.use`, `router.use` and the `middleware=` of a route.

A part does no I/O, and its clock is the core's. What needs a library imports it when it is made.
"""

from anylane.middleware.access_log import AccessLog
from anylane.middleware.auth.basic import BasicAuth
from anylane.middleware.auth.bearer import BearerAuth
from anylane.middleware.auth.jwt_auth import JWTAuth
from anylane.middleware.compression import Compression
from anylane.middleware.cors import CORS
from anylane.middleware.csrf import CSRF
from anylane.middleware.etags import ETags
from anylane.middleware.rate_limit.rate_limit import RateLimit
from anylane.middleware.request_id import RequestId
from anylane.middleware.security.csp import CSP
from anylane.middleware.security.https_redirect import HTTPSRedirect
from anylane.middleware.security.security_headers import SecurityHeaders
from anylane.middleware.security.trusted_hosts import TrustedHosts
from anylane.middleware.server_timing import ServerTiming
from anylane.middleware.sessions.memory_store import MemoryStore
from anylane.middleware.sessions.sessions import Sessions
from anylane.routing.documentation import PartDocumentation

__all__ = [
    "CORS",
    "CSP",
    "CSRF",
    "AccessLog",
    "BasicAuth",
    "BearerAuth",
    "Compression",
    "ETags",
    "HTTPSRedirect",
    "JWTAuth",
    "MemoryStore",
    "PartDocumentation",
    "RateLimit",
    "RequestId",
    "SecurityHeaders",
    "ServerTiming",
    "Sessions",
    "TrustedHosts",
]
