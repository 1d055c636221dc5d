"""Settings are frozen, keyword-only, and checked when they are made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from anylane import ConfigError, Limits, ServerConfig, Timeouts


@pytest.mark.parametrize("kind", [Limits, Timeouts, ServerConfig])
def test_the_defaults_are_valid_and_frozen(kind):
    config = kind()
    with pytest.raises(FrozenInstanceError):
        setattr(config, fields(kind)[0].name, 1)
    with pytest.raises(TypeError):
        kind(1)


RATES = ("body_rate", "send_rate")


@pytest.mark.parametrize("field", [each.name for each in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, (1 << 40) + 1, 1.5, "1", None, True])
def test_a_limit_out_of_bounds_names_field_and_value(field, value):
    if field in RATES and value == 0 and value is not True:
        assert getattr(Limits(**{field: value}), field) == 0, "it is switched off"
        return
    with pytest.raises(ConfigError, match=rf"Limits\.{field} is {value!r}"):
        Limits(**{field: value})


@pytest.mark.parametrize("field", [each.name for each in fields(Timeouts)])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "1", None, True])
def test_a_time_out_out_of_bounds_names_field_and_value(field, value):
    with pytest.raises(ConfigError, match=rf"Timeouts\.{field} is {value!r}"):
        Timeouts(**{field: value})


@pytest.mark.parametrize("low", ["inbound_low", "outbound_low"])
def test_a_low_mark_is_at_most_its_high_mark(low):
    high = low.replace("low", "high")
    Limits(**{low: 10, high: 10})
    with pytest.raises(ConfigError, match=low):
        Limits(**{low: 11, high: 10})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", -1),
        ("port", 65536),
        ("port", True),
        ("port", "8000"),
        ("host", None),
        ("backlog", 0),
        ("linger", 1),
        ("linger", False),
        ("http_buffer_size", 1023),
        ("ws_buffer_size", 256 * 1024 + 1),
        ("nodelay", 1),
        ("max_connections", 0),
        ("max_connections_per_address", 0),
        ("max_connections_per_network", 1.5),
        ("when_full", "maybe"),
        ("when_full", None),
        ("max_threads", 0),
        ("request_timeout", 0),
        ("eager", None),
        ("limits", {}),
        ("timeouts", 5),
    ],
)
def test_a_setting_out_of_bounds_names_field_and_value(field, value):
    with pytest.raises(ConfigError, match=rf"ServerConfig\.{field} is"):
        ServerConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("port", 0), ("port", 65535), ("request_timeout", 1), ("linger", 0), ("ws_buffer_size", 1024)],
)
def test_a_setting_at_its_bound_is_accepted(field, value):
    assert getattr(ServerConfig(**{field: value}), field) == value
