"""Timestamps: the dates of header fields, as seconds since 1970 (RFC 9110 §5.6.7).

Nothing here reads a clock or the locale. What is no date is None and never an exception.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from anylane.http.headers import http_date

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_SHORT, _LONG = "|".join(day[:3] for day in _DAYS), "|".join(_DAYS)
_DAY, _MONTH = r"(?P<day>[0-9]{2})", rf"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

_FORMS = (
    # IMF-fixdate, which is what everything should send: Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(rf"(?P<name>{_SHORT}), {_DAY} {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(rf"(?P<name>{_LONG}), {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    # asctime(): Sun Nov  6 08:49:37 1994
    re.compile(rf"(?P<name>{_SHORT}) {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_AHEAD = timedelta(days=50 * 365.2425)


def parse_http_date(value: str, *, now: float) -> int | None:
    """Return the seconds since 1970 that a date of a header field stands for, None if it is none.

    value: in one of the three forms that recipients have to accept, to the letter. A weekday that
    is not the date's makes it no date. now: seconds since 1970. A year of two digits that seems to
    be more than 50 years ahead of it is the one of the century before.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(value))), None)
    if found is None:
        return None
    month, second = _MONTHS.index(found["month"]) + 1, int(found["second"])
    day, hour, minute = int(found["day"]), int(found["hour"]), int(found["minute"])
    if second > 60:
        return None
    years = [int(found["year"])]
    if len(found["year"]) == 2:
        try:
            present = _EPOCH + timedelta(seconds=now)
            latest = present + _YEAR_AHEAD
        except OverflowError:
            return None
        century = latest.year - latest.year % 100
        years = [century + years[0], century + years[0] - 100]
    else:
        latest = None
    for year in years:
        try:
            # A leap second (60) is the second after 59.
            moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        except ValueError:
            continue
        if latest is not None and moment > latest:
            continue
        if not _DAYS[moment.weekday()].startswith(found["name"]):
            return None
        return int((moment - _EPOCH).total_seconds()) + (second == 60)
    return None


def format_http_date(seconds: float) -> str:
    """Return seconds since 1970 as header fields write them: an IMF-fixdate. Parts of a second are
    dropped. Raise OverflowError for what is outside of the years 1 to 9999."""
    return http_date(_EPOCH + timedelta(seconds=seconds // 1))
