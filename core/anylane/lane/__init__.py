"""What a backend author reads: the driver of a connection, the Link, and what a lane shares.

Nothing here knows of apps, handlers or hooks: a lane serves an `Application`, which answers
exchanges. Inside the package modules import each other by their full names, and not from here.
"""

from anylane.lane.application import Application
from anylane.lane.arrivals.entrance import Wrap
from anylane.lane.backend import Backend
from anylane.lane.deadlines import Deadline, Deadlines
from anylane.lane.driver import Driver
from anylane.lane.host import Host, Log
from anylane.lane.link import Errand, Handle, Link, Scope
from anylane.lane.server_core import Access, ServerCore
from anylane.lane.stepping import SteppedLink, explain, step
from anylane.lane.wake_queue import WakeQueue

__all__ = [
    "Access",
    "Application",
    "Backend",
    "Deadline",
    "Deadlines",
    "Driver",
    "Errand",
    "Handle",
    "Host",
    "Link",
    "Log",
    "Scope",
    "ServerCore",
    "SteppedLink",
    "WakeQueue",
    "Wrap",
    "explain",
    "step",
]
