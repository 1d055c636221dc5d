"""The prefix that a proxy takes off, as a setting."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anylane import ConfigError, ServerConfig
from anylane.config.root_path import MAX_LENGTH, root_path

paths = st.text("/.%abz25fF0;:@?#\\ <\x00é", max_size=12) | st.text(max_size=8)


@given(paths)
def test_what_is_taken_names_the_path_that_it_says_and_no_host(text):
    """To a client that resolves it (RFC 3986 §5.2), whatever stands behind it."""
    try:
        prefix = root_path(text)
    except ValueError:
        return
    assert prefix in (text, text[:-1])
    assert urljoin("http://shop.example/elsewhere", f"{prefix}/x") == (
        f"http://shop.example{prefix}/x"
    )
    assert urlsplit(f"{prefix}/x").path == f"{prefix}/x"
    assert not re.search(r"[\x00-\x20\x7f-\uffff\\\"<>]", prefix)


@pytest.mark.parametrize(
    ("given", "taken"),
    [("", ""), ("/", ""), ("/api", "/api"), ("/api/", "/api"), ("/a/b%20c", "/a/b%20c"),
     ("/" + "x" * (MAX_LENGTH - 1), "/" + "x" * (MAX_LENGTH - 1)), ("forwarded", "forwarded")],
)  # fmt: skip
def test_a_setting_that_is_taken(given, taken):
    assert ServerConfig(root_path=given, proxy_headers=True).root_path == taken


@pytest.mark.parametrize(
    "given",
    ["api", "//", "//evil", "/a//b", "/..", "/./a", "/a/..", "/%2e%2e", "/a%2fb", "/a%5Cb", "/%00",
     "/a?b", "/a#b", "/a b", "/ä", "/a%", "/a\\b", "/a\r\nb", "/" + "x" * MAX_LENGTH],
)  # fmt: skip
def test_a_setting_that_is_refused(given):
    with pytest.raises(ConfigError, match=r"ServerConfig\.root_path is .* expected a path such as"):
        ServerConfig(root_path=given)


def test_a_setting_of_another_type():
    with pytest.raises(ConfigError, match=r"ServerConfig\.root_path is None; expected str"):
        ServerConfig(root_path=None)  # type: ignore[arg-type]  # that is the mistake


def test_a_prefix_from_a_proxy_needs_one_that_is_believed():
    with pytest.raises(ConfigError, match="root_path is 'forwarded' and proxy_headers is off"):
        ServerConfig(root_path="forwarded")
