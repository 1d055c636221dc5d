"""ServerSettings, what `app.run` takes by keyword, is what ServerConfig takes."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

from anylane import ServerConfig
from anylane.config.server_settings import ServerSettings


def test_the_settings_are_the_fields_of_a_config_with_their_types() -> None:
    hints = get_type_hints(ServerConfig)
    assert get_type_hints(ServerSettings) == {
        each.name: hints[each.name] for each in fields(ServerConfig)
    }
    assert list(ServerSettings.__annotations__) == [each.name for each in fields(ServerConfig)]


def test_none_of_them_has_to_be_given() -> None:
    assert ServerSettings.__required_keys__ == frozenset()
