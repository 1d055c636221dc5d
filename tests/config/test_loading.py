"""Settings from files, from variables, and several sources joined."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from anylane import ConfigError, Limits, ServerConfig, Timeouts
from anylane.config.addresses import Inherited, Tcp, Unix, parse_address
from anylane.config.loading import (
    build,
    merge,
    put,
    read_environment,
    read_file,
    run_settings,
    settings,
)
from anylane.config.run_settings import RunSettings
from anylane.config.server_config import RELAXED, STRICT

# --- files -----------------------------------------------------------------------------------


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_toml_and_json_mean_the_same(tmp_path):
    toml = 'port = 9\nbind = ["a:1", "unix:/x"]\n[limits]\nbody = 5\n[timeouts]\nhead = 2\n'
    values = {"port": 9, "bind": ["a:1", "unix:/x"], "limits": {"body": 5}, "timeouts": {"head": 2}}
    found = ServerConfig.from_file(write(tmp_path, "a.toml", toml))
    assert found == ServerConfig.from_file(write(tmp_path, "a.json", json.dumps(values)))
    assert (found.port, found.bind) == (9, ("a:1", "unix:/x"))
    assert found.limits == Limits(body=5)
    assert found.timeouts == Timeouts(head=2)


def test_a_path_object_will_do(tmp_path):
    write(tmp_path, "a.toml", "port = 1")
    assert ServerConfig.from_file(tmp_path / "a.toml").port == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prot = 1", "unknown key prot; did you mean port?"),
        ("zzzzzz = 1", "unknown key zzzzzz"),
        ("[limits]\nbodi = 1", "unknown key limits.bodi; did you mean limits.body?"),
        ("[limit]\nbody = 1", "unknown key limit; did you mean limits?"),
        ("timeout = 5", "unknown key timeout; did you mean timeouts?"),
        ("body = 5", "unknown key body; did you mean limits.body or timeouts.body?"),
        ("Drain = 5", "unknown key Drain; did you mean timeouts.drain?"),
        ("limits_body = 5", "unknown key limits_body; did you mean limits.body?"),
        ('"limits.body" = 5', "unknown key limits.body; write body in a table limits"),
        ("[workers]", "unknown key workers; did you mean run.workers?"),
        ("limits = 3", "limits is 3; expected a table"),
        ("port = ", "Invalid value"),
        ('[run]\nbakend = "a"', "unknown key run.bakend; did you mean backend?"),
        ("[run]\nworkers = true", "run.workers is True; expected int"),
        ("run = 1", "run is 1; expected a table"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_key(tmp_path, text, expected):
    path = write(tmp_path, "a.toml", text)
    with pytest.raises(ConfigError) as caught:
        read_file(path, ServerConfig, command=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.ini", "", "ends in .toml or .json"),
        ("a.json", "[]", "expected a table of settings, not list"),
        ("a.json", "{", "line 1"),
        ("a.toml", "port = 99999", "a.toml: ServerConfig.port is 99999; expected 0 to 65535"),
        ("a.toml", 'port = "80"', "ServerConfig.port is '80'; expected int"),
        ("a.toml", "[limits]\nbody = 0", "Limits.body is 0"),
        ("a.toml", 'bind = "a:1"', "ServerConfig.bind is 'a:1'; expected a tuple"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path, name, text, expected):
    with pytest.raises(ConfigError, match=expected.replace("[", r"\[")):
        ServerConfig.from_file(write(tmp_path, name, text))


WRONG: tuple[Any, ...] = (None, True, 1, -1, 1.5, "x", "", [], [1], [[]], {}, {"a": 1}, {"a": {}})


@pytest.mark.parametrize("setting", [*settings(ServerConfig)], ids=lambda each: each.name)
def test_a_value_of_any_type_is_taken_or_a_config_error(tmp_path, setting):
    for value in WRONG:
        for found in (value, {setting.path[-1]: value}):
            source: dict[str, Any] = {}
            put(source, setting, found)
            path = write(tmp_path, "a.json", json.dumps(source))
            with suppress(ConfigError):
                ServerConfig.from_file(path)


@pytest.mark.parametrize("setting", [*run_settings()], ids=lambda each: each.name)
def test_a_value_of_any_type_in_the_run_table_is_taken_or_a_config_error(tmp_path, setting):
    for value in WRONG:
        path = write(tmp_path, "a.json", json.dumps({"run": {setting.path[-1]: value}}))
        with suppress(ConfigError):
            read_file(path, ServerConfig, command=True)


def test_a_table_where_a_value_belongs_is_told():
    with pytest.raises(ConfigError, match=r"ServerConfig\.linger is {}; expected int or None"):
        build(ServerConfig, {"linger": {}})
    joined = merge(("a file", {"linger": 5}), ("another", {"linger": {}}))
    with pytest.raises(ConfigError, match=r"ServerConfig\.linger is {}"):
        build(ServerConfig, joined)
    with pytest.raises(ConfigError, match="limits is 5; expected a table"):
        build(ServerConfig, merge(("a file", {"limits": {}}), ("another", {"limits": 5})))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        ServerConfig.from_file(str(tmp_path / "none.toml"))


def test_the_run_table_is_the_commands(tmp_path):
    path = write(tmp_path, "a.toml", 'port = 1\n[run]\nbackend = "trio"\n')
    assert ServerConfig.from_file(path) == ServerConfig(port=1)
    assert read_file(path, ServerConfig, command=True) == {"port": 1, "run": {"backend": "trio"}}


# --- variables -------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [*settings(ServerConfig)], ids=lambda each: each.name)
def test_each_setting_has_a_variable_that_says_its_default(setting):
    default = setting.default
    text = {None: "", True: "true", False: "no"}.get(default, str(default))
    if setting.name == "uds_mode":
        text = oct(default)
    if isinstance(default, tuple):
        text = ",".join(default)
    assert setting.parse(text) == default
    variable = f"ANYLANE_{setting.name.upper()}"
    if default is not None:
        assert ServerConfig.from_env({variable: text}) == ServerConfig()


def test_permissions_are_octal_or_refused():
    """If 440 were read as decimal it would be 0o670, and the group could write."""
    with pytest.raises(ConfigError, match=r"ANYLANE_UDS_MODE is '440'; .* behind 0o, such as"):
        ServerConfig.from_env({"ANYLANE_UDS_MODE": "440"})
    with pytest.raises(ConfigError, match="uds_mode is 660; expected 0 to 0o777, in octal as in"):
        ServerConfig(uds_mode=660)
    assert ServerConfig.from_env({"ANYLANE_UDS_MODE": "0"}).uds_mode == 0


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("ANYLANE_PORT", "0x50", ServerConfig(port=80)),
        ("ANYLANE_UDS_MODE", "0o600", ServerConfig(uds_mode=0o600)),
        ("ANYLANE_REQUEST_TIMEOUT", "1.5", ServerConfig(request_timeout=1.5)),
        ("ANYLANE_NODELAY", "off", ServerConfig(nodelay=False)),
        ("ANYLANE_BIND", "a:1, [::1]:2", ServerConfig(bind=("a:1", "[::1]:2"))),
        ("ANYLANE_UDS", "/x", ServerConfig(uds="/x")),
        ("ANYLANE_UDS", "", ServerConfig()),
        ("ANYLANE_FD", "3", ServerConfig(fd=3)),
        ("ANYLANE_LIMITS_BODY", "7", ServerConfig(limits=Limits(body=7))),
        ("ANYLANE_TIMEOUTS_KEEP_ALIVE", "7", ServerConfig(timeouts=Timeouts(keep_alive=7))),
        ("ANYLANE_BACKEND", "trio", ServerConfig()),
        ("PATH", "/bin", ServerConfig()),
    ],
)
def test_variables(variable, text, expected):
    assert ServerConfig.from_env({variable: text}) == expected


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("ANYLANE_PROT", "1", "unknown environment variable ANYLANE_PROT; did you mean A.*PORT"),
        ("ANYLANE_LIMIT_BODY", "1", "did you mean ANYLANE_LIMITS_BODY?"),
        ("ANYLANE_PORT", "many", "ANYLANE_PORT is 'many'; expected a whole number"),
        ("ANYLANE_PORT", "", "ANYLANE_PORT is ''; expected a whole number"),
        ("ANYLANE_NODELAY", "maybe", "ANYLANE_NODELAY is 'maybe'; expected true or false"),
        ("ANYLANE_TIMEOUTS_HEAD", "soon", "expected a number"),
        ("ANYLANE_PORT", "-1", "the environment: ServerConfig.port is -1; expected 0 to 65535"),
    ],
)
def test_a_mistake_in_a_variable_names_it(variable, text, expected):
    with pytest.raises(ConfigError, match=expected):
        ServerConfig.from_env({variable: text})


def test_the_environment_is_that_of_the_process_unless_given(monkeypatch):
    monkeypatch.setenv("ANYLANE_PORT", "4")
    monkeypatch.setenv("OTHER_PORT", "5")
    assert ServerConfig.from_env().port == 4
    assert ServerConfig.from_env(prefix="OTHER_").port == 5


def test_the_commands_own_variables_are_in_run():
    environ = {"ANYLANE_WORKERS": "2", "ANYLANE_CONFIG": "a.toml", "ANYLANE_HOST": "h"}
    run = {"config": "a.toml", "workers": 2}
    assert read_environment(ServerConfig, environ, command=True) == {"host": "h", "run": run}


# --- the command's own settings ----------------------------------------------------------------


OTHER: dict[str, Any] = {
    "log_level": "debug",
    "log_format": "json",
    "preset": "strict",
    "worker_kind": "interpreter",
    "max_memory": 1 << 20,
}
"""Values that a test can give to settings that do not take any, and that are not their defaults."""

ONLY_WITH: dict[str, dict[str, Any]] = {
    "max_requests_jitter": {"max_requests": 1},
    "max_age_jitter": {"max_age": 1.0},
}
"""Settings that say nothing alone -> those that they belong to."""


@pytest.mark.parametrize("setting", [*run_settings()], ids=lambda each: each.name)
def test_a_field_of_run_settings_is_a_variable_and_a_key_of_the_run_table(tmp_path, setting):
    """One field is all that a new flag of the command needs; tests of it: test_cli.py."""
    usual = {bool: True, int: 2, float: 2.5}.get(setting.kind, "x")
    value = OTHER.get(setting.name, usual)
    assert value != setting.default
    source = {"run": {setting.name: value}}
    text = oct(value) if setting.name == "umask" else str(value)
    environ = {f"ANYLANE_{setting.name.upper()}": text}
    assert read_environment(ServerConfig, environ, command=True) == source
    assert read_environment(ServerConfig, environ) == {}
    more = ONLY_WITH.get(setting.name, {})
    assert getattr(build(RunSettings, {**source["run"], **more}), setting.name) == value
    path = write(tmp_path, "a.json", json.dumps(source))
    if setting.in_file:
        assert read_file(path, ServerConfig, command=True) == source
    else:
        with pytest.raises(ConfigError, match=rf"unknown key run\.{setting.name}"):
            read_file(path, ServerConfig, command=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"workers": 0}, "workers is 0; expected 1 to 1024"),
        ({"workers": 1025}, "workers is 1025; expected 1 to 1024"),
        ({"max_requests": 0}, "max_requests is 0; expected 1 to 1000000000"),
        (
            {"max_memory": (1 << 20) - 1},
            "max_memory is 1048575; expected 1048576 to 1125899906842624",
        ),
        ({"max_age": 0.9}, "max_age is 0.9; expected 1.0 to 31536000.0"),
        ({"umask": 0o1000}, "umask is 512; expected 0 to 511"),
        (
            {"max_requests_jitter": 5},
            "max_requests_jitter is 5 without max_requests; set max_requests too",
        ),
        ({"max_age_jitter": 5.0}, "max_age_jitter is 5.0 without max_age; set max_age too"),
        (
            {"log_level": "loud"},
            "log_level is 'loud'; expected one of critical, error, warning, info, debug",
        ),
        ({"preset": ""}, "preset is ''; expected one of default, strict, relaxed"),
    ],
)
def test_a_value_of_the_commands_own_is_checked_when_it_is_made(values, expected):
    with pytest.raises(ConfigError) as caught:
        RunSettings(**values)
    assert str(caught.value) == expected


# --- joining ---------------------------------------------------------------------------------


def test_a_later_source_wins_key_by_key_also_in_tables():
    merged = merge(
        ("file", {"port": 1, "host": "a", "limits": {"body": 1, "target": 1}}),
        ("env", {"port": 2, "limits": {"body": 2}}),
    )
    assert merged == {"port": 2, "host": "a", "limits": {"body": 2, "target": 1}}


@pytest.mark.parametrize(
    ("first", "then", "merged"),
    [
        ({"bind": ("a:1",)}, {"port": 2}, {"port": 2}),
        ({"uds": "/x"}, {"host": "h"}, {"host": "h"}),
        ({"port": 1, "host": "h"}, {"uds": "/x"}, {"uds": "/x"}),
        ({"fd": 3}, {"uds": "/x"}, {"uds": "/x"}),
        ({"uds": "/x"}, {"nodelay": False}, {"uds": "/x", "nodelay": False}),
    ],
)
def test_where_to_listen_is_one_decision(first, then, merged):
    assert merge(("file", first), ("env", then)) == merged


def test_one_source_must_not_say_twice_where_to_listen():
    with pytest.raises(ConfigError, match=r"env says where to listen in two ways: bind, port;"):
        merge(("env", {"port": 1, "bind": ("a:1",)}))


def test_what_is_wrong_only_together_is_nobodys_fault():
    low = ("file", {"limits": {"inbound_low": 100_000}})
    high = ("env", {"limits": {"inbound_high": 70_000}})
    base = {"limits": Limits(inbound_high=200_000)}
    with pytest.raises(ConfigError, match=r"^Limits.inbound_low is 100000; expected at most"):
        build(ServerConfig, merge(low, high), base, parts=(low, high))


def test_a_source_stands_on_a_preset_key_by_key():
    found = build(ServerConfig, {"port": 1, "limits": {"body": 9}}, STRICT)
    assert found.limits.body == 9
    strict = ServerConfig.strict()
    assert found.limits.header_count == strict.limits.header_count
    assert found.request_timeout == strict.request_timeout


# --- presets ---------------------------------------------------------------------------------


def test_strict_is_stricter_and_relaxed_more_relaxed_in_each_setting_they_name():
    default = ServerConfig()
    for preset, sign in ((STRICT, -1), (RELAXED, 1)):
        for name, value in preset.items():
            usual = getattr(default, name)
            for one, other in (
                zip(
                    (getattr(value, each) for each in value.__slots__),
                    (getattr(usual, each) for each in value.__slots__),
                    strict=True,
                )
                if isinstance(value, Limits | Timeouts)
                else [(value, usual)]
            ):
                assert (one - other) * sign >= 0, name


def test_presets_take_overrides():
    assert ServerConfig.strict(port=1, request_timeout=3).request_timeout == 3
    assert ServerConfig.relaxed(limits=Limits(body=1)).limits == Limits(body=1)
    assert ServerConfig.relaxed().timeouts == RELAXED.get("timeouts")


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", Tcp("127.0.0.1", 80)),
        ("localhost:0", Tcp("localhost", 0)),
        (":80", Tcp("", 80)),
        ("[::1]:80", Tcp("::1", 80)),
        ("unix:/run/a.sock", Unix("/run/a.sock")),
        ("unix:a", Unix("a")),
        ("fd://3", Inherited(3)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "a", "80", "a:", "a:b", "a:65536", "a:-1", "::1:80", "unix:", "fd://", "fd://x", "a:²"],
)
def test_what_is_no_address(text):
    with pytest.raises(ConfigError, match="bind has"):
        ServerConfig(bind=(text,))


def test_host_and_port_count_where_nothing_else_is_said():
    assert ServerConfig().addresses == (Tcp("127.0.0.1", 8000),)
    everything = ServerConfig(bind=("a:1",), uds="/x", fd=3)
    assert everything.addresses == (Tcp("a", 1), Unix("/x"), Inherited(3))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uds", ""),
        ("uds", 1),
        ("fd", -1),
        ("fd", True),
        ("ttl", 0),
        ("ttl", 256),
        ("uds_mode", 512),
    ],
)
def test_a_setting_out_of_bounds_names_field_and_value(field, value):
    with pytest.raises(ConfigError, match=rf"ServerConfig\.{field} is {value!r}; expected"):
        ServerConfig(**{field: value})
