"""Query: the multi-value parameters behind the `?`, parsed when first read."""

from __future__ import annotations

from urllib.parse import parse_qsl

from anylane.errors import HTTPError
from anylane.multi import MultiDict

MOST_FIELDS = 1000
"""Of a query or a form -> 400 and 413. Bounds the work; other limits bound the size."""


class Query(MultiDict[str]):
    """Names and values in order; values of one name stay apart (`get_all`).

    Raises HTTPError 400 when built, for more fields than there may be.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: str) -> None:
        self.raw = raw
        try:
            super().__init__(
                parse_qsl(raw, keep_blank_values=True, max_num_fields=MOST_FIELDS) if raw else ()
            )
        except ValueError:
            raise HTTPError(400, f"the query has more than {MOST_FIELDS} fields") from None
