"""Ready-made handlers and adapters that use other libraries, or files by `ctx.run_sync`.

Nothing else of anylane imports them.
"""

from anylane.contrib.files.file_response import FileResponse
from anylane.contrib.files.static_files import StaticFiles
from anylane.contrib.health.endpoints import Health
from anylane.contrib.jwks_file import JWKSFile
from anylane.contrib.metrics.exporter import Metrics
from anylane.contrib.opentelemetry.telemetry import OpenTelemetry
from anylane.contrib.templates import Templates

__all__ = [
    "FileResponse",
    "Health",
    "JWKSFile",
    "Metrics",
    "OpenTelemetry",
    "StaticFiles",
    "Templates",
]
