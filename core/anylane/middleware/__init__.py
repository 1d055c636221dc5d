"""Ready-made parts, for `app.use`, `router.use` and the `middleware=` of a route.

A part does no I/O, and its clock is the core's. What needs a library imports it when it is made.
"""

from anylane.middleware.access_log import AccessLog as AccessLog
from anylane.middleware.compression import Compression as Compression
from anylane.middleware.cors import CORS as CORS
from anylane.middleware.etags import ETags as ETags
from anylane.middleware.request_id import RequestId as RequestId
from anylane.middleware.security.csp import CSP as CSP
from anylane.middleware.security.https_redirect import HTTPSRedirect as HTTPSRedirect
from anylane.middleware.security.security_headers import SecurityHeaders as SecurityHeaders
from anylane.middleware.security.trusted_hosts import TrustedHosts as TrustedHosts
from anylane.middleware.server_timing import ServerTiming as ServerTiming

__all__: list[str] = [
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
