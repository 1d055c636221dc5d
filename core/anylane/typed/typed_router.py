"""Router, whose handlers have typed parameters once this module is loaded.

Routing knows nothing of annotations: it is told here what resolves them.
"""

from __future__ import annotations

from anylane.routing.router import Router
from anylane.typed.resolve import resolve

Router.resolve = staticmethod(resolve)

__all__ = ["Router"]
