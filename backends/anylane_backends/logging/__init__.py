"""What goes into the standard library's `logging`: formatters that no text of a client can deceive,
and the ids of the connection and the request that a line belongs to.

It may be named in the file of `--log-config`, and used by any program of yours.
"""

from anylane_backends.logging.formatters import JsonFormatter, TextFormatter
from anylane_backends.logging.ids import IdsFilter, add_ids, current_ids

__all__ = ["IdsFilter", "JsonFormatter", "TextFormatter", "add_ids", "current_ids"]
