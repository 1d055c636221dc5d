"""Texts become values by one grammar, and what is no value is refused."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import json
from anylane.http.values.scalars import converter_of


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


KEY = UUID("12345678-1234-5678-1234-567812345678")

READ: list[tuple[Any, str, Any]] = [
    (int, "7", 7),
    (int, "-7", -7),
    (int, "007", 7),
    (int, "9" * 640, int("9" * 640)),
    (float, "1.5", 1.5),
    (float, "-1e-3", -0.001),
    (float, "7", 7.0),
    (Decimal, "1.10", Decimal("1.10")),
    (bool, "true", True),
    (bool, "TRUE", True),
    (bool, "1", True),
    (bool, "on", True),
    (bool, "yes", True),
    (bool, "false", False),
    (bool, "0", False),
    (bool, "off", False),
    (bool, "No", False),
    (str, "", ""),
    (str, " a ", " a "),
    (UUID, str(KEY), KEY),
    (UUID, str(KEY).upper(), KEY),
    (date, "2026-11-30", date(2026, 11, 30)),
    (time, "12:30", time(12, 30)),
    (time, "12:30:45.5", time(12, 30, 45, 500_000)),
    (time, "12:30:45Z", time(12, 30, 45, tzinfo=UTC)),
    (datetime, "2026-11-30T12:30:45Z", datetime(2026, 11, 30, 12, 30, 45, tzinfo=UTC)),
    (datetime, "2026-11-30 12:30", datetime(2026, 11, 30, 12, 30)),  # noqa: DTZ001
    (
        datetime,
        "2026-11-30T12:30:45.123456789-02:30",
        datetime(2026, 11, 30, 12, 30, 45, 123456, timezone(-timedelta(hours=2, minutes=30))),
    ),
    (timedelta, "P1DT2H30M", timedelta(days=1, hours=2, minutes=30)),
    (timedelta, "PT1.5S", timedelta(seconds=1.5)),
    (timedelta, "-P2W", timedelta(weeks=-2)),
    (Color, "red", Color.RED),
    (Level, "2", Level.HIGH),
    (Literal["a", 1, True], "a", "a"),
    (Literal["a", 1], "1", 1),
    (int | str, "7", 7),
    (str | int, "x", "x"),
    (int | None, "7", 7),
    (date | datetime, "2026-11-30", date(2026, 11, 30)),
    (float | int, "7", 7),
]


@pytest.mark.parametrize(("kind", "text", "value"), READ)
def test_a_text_is_read(kind: Any, text: str, value: Any) -> None:
    converter = converter_of(kind)
    assert converter is not None
    found = converter.read(text)
    assert found == value
    assert type(found) is type(value)


REFUSED: list[tuple[Any, str]] = [
    *((int, text) for text in ("", " 7", "+7", "1_0", "1.0", "0x1", "٣", "1e3", "9" * 641, "--1")),
    *((float, text) for text in ("", "nan", "1e999", ".5", "5.", "1_0.0", "0x1p3", "1e99999")),
    *((Decimal, text) for text in ("NaN", "Infinity", "sNaN", "", "1.")),
    *((bool, text) for text in ("", "t", "2", "truE ")),
    *((UUID, text) for text in ("", KEY.hex, f"{{{KEY}}}", f"urn:uuid:{KEY}")),
    *((date, text) for text in ("2026-02-30", "20261130", "2026-1-1", "0000-01-01")),
    *((time, text) for text in ("24:00", "12", "12:60", "12:30+25:00", "12:30:60")),
    *((datetime, text) for text in ("2026-11-30", "2026-11-30_12:30", "1764505845", "")),
    *((timedelta, text) for text in ("P", "PT", "1 day", "90", "P999999999W", "P1H")),
    *((Color, text) for text in ("RED", "", "green")),
    *((Level, text) for text in ("3", "LOW")),
    (Literal["a"], "b"),
    (int | bool, "x"),
]


@pytest.mark.parametrize(("kind", "text"), REFUSED)
def test_what_is_no_value_is_refused(kind: Any, text: str) -> None:
    converter = converter_of(kind)
    assert converter is not None
    with pytest.raises(ValueError):
        converter.read(text)


@pytest.mark.parametrize("kind", [list[int], dict, bytes, object, complex, int | list[int]])
def test_a_type_without_a_text_has_no_converter(kind: Any) -> None:
    assert converter_of(kind) is None


WRITTEN: dict[Any, tuple[Any, Any]] = {
    int: (st.integers(-(10**600), 10**600), str),
    float: (st.floats(allow_nan=False, allow_infinity=False), repr),
    Decimal: (st.decimals(allow_nan=False, allow_infinity=False, places=4), str),
    bool: (st.booleans(), str),
    UUID: (st.uuids(), str),
    date: (st.dates(), date.isoformat),
    time: (st.times(), time.isoformat),
    datetime: (st.datetimes(timezones=st.just(UTC) | st.none()), datetime.isoformat),
    timedelta: (st.timedeltas(), lambda value: json.loads(json.dumps(value))),
    Color: (st.sampled_from(Color), lambda value: value.value),
    str: (st.text(), str),
}


@pytest.mark.parametrize("kind", WRITTEN)
@given(data=st.data())
def test_what_is_written_is_read_back(kind: Any, data: st.DataObject) -> None:
    values, write = WRITTEN[kind]
    value = data.draw(values)
    converter = converter_of(kind)
    assert converter is not None
    assert converter.read(write(value)) == value


@given(kind=st.sampled_from([*WRITTEN]), text=st.text())
def test_no_text_raises_anything_else(kind: Any, text: str) -> None:
    converter = converter_of(kind)
    assert converter is not None
    try:
        converter.read(text)
    except ValueError:
        pass
