"""Router: one whose handlers may have typed parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anylane.routing import router
from anylane.typed.resolve import resolve


class Router(router.Router):
    # It has the docstring of what it is, for whoever asks: only how handlers are read is added.
    __doc__ = router.Router.__doc__

    def _resolve(self, handler: object, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return resolve(handler, options)
