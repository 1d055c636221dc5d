"""The Date header of a real server: the time of the wall clock, in HTTP's form."""

from __future__ import annotations

import time
from email.utils import formatdate

from anylane_backends.hosting.server import date_now


def test_the_date_is_the_wall_clocks_to_the_second() -> None:
    before, date, after = time.time(), date_now().decode("ascii"), time.time()
    assert date in {formatdate(before, usegmt=True), formatdate(after, usegmt=True)}
