"""Ready-made parts, for `app.use`, `router.use` and the `middleware=` of a route.

A part does no I/O, and its clock is the core's. What needs a library imports it when it is made.
"""

from anylane.middleware.access_log import AccessLog
from anylane.middleware.compression import Compression
from anylane.middleware.cors import CORS
from anylane.middleware.etags import ETags
from anylane.middleware.request_id import RequestId
from anylane.middleware.security.csp import CSP
from anylane.middleware.security.https_redirect import HTTPSRedirect
from anylane.middleware.security.security_headers import SecurityHeaders
from anylane.middleware.security.trusted_hosts import TrustedHosts
from anylane.middleware.server_timing import ServerTiming

__all__ = [
    "CORS",
    "CSP",
    "AccessLog",
    "Compression",
    "ETags",
    "HTTPSRedirect",
    "RequestId",
    "SecurityHeaders",
    "ServerTiming",
    "TrustedHosts",
]
