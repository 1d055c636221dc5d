"""An App that answers the fetch events of JavaScript, in Pyodide: in service workers, in node."""

from anylane_backends.fetch.handler import FetchHandler

__all__ = ["FetchHandler"]
