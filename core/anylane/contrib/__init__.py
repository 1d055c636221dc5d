"""Ready-made handlers and adapters that use other libraries, or files by `ctx.run_sync`.

Nothing else of anylane imports them.
"""

from anylane.contrib.health.endpoints import Health
from anylane.contrib.metrics.exporter import Metrics

__all__: list[str] = ["Health", "Metrics"]
