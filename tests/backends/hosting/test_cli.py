"""What the command understands and says; whole servers are in docs/examples/test_serving.py."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anylane import App, ConfigError, ServerConfig, __version__
from anylane.config.loading import read_environment, run_settings, settings
from anylane.config.run_settings import PRESETS, RunSettings
from anylane.lane.server_core import Access
from anylane.protocol.request_head import Fields, RequestHead
from anylane_backends.hosting.cli import commands as cli
from anylane_backends.hosting.cli.app_loading import CannotStart, load_app
from anylane_backends.hosting.cli.env_file import load_env_file
from anylane_backends.hosting.cli.flags import reasons
from anylane_backends.hosting.cli.log_lines import log_access
from anylane_backends.hosting.cli.options import BASES, Options
from anylane_backends.hosting.systemd import listen_fds
from tests.backends.hosting.invoked import invoked

MODULES = {
    "good": "from anylane import App\napp = App()\nnumber = 3\n"
    "def make(): return app\ndef wrong(): return 3\ndef broken(): raise ValueError('no key')\n"
    "@app.get('/a/{n:int}')\ndef a(ctx): ...\n"
    "@app.websocket('/ws')\nasync def ws(ctx): ...\n",
    "raising": "x = 1\nraise RuntimeError('two\\nlines')\n",
    "leaving": "raise SystemExit('bye')\n",
    "needing": "import no_such_library\n",
    "typo": "def f(:\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("ANYLANE_PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def anylane(*arguments: str):
    return invoked(*arguments)


def test_an_app_is_found_by_module_and_name(folder):
    assert isinstance(load_app("good:app"), App)
    assert isinstance(load_app("good:make", factory=True), App)


@pytest.mark.parametrize(
    ("target", "factory", "expected"),
    [
        ("good", False, "'good' does not name an app; write MODULE:APP"),
        ("good.py:app", False, "is a file's name; write the module's, such as good:app"),
        ("pkg/good.py:app", False, "such as pkg.good:app"),
        ("goud:app", False, "there is no module 'goud' in "),
        ("good.sub:app", False, "there is no module 'good.sub' in "),
        ("needing:app", False, "needs the module 'no_such_library', which is not installed"),
        ("raising:app", False, "importing 'raising' raised RuntimeError: two\nlines"),
        ("raising:app", False, "raising.py:2)"),
        ("leaving:app", False, "importing 'leaving' raised SystemExit: bye"),
        ("typo:app", False, "importing 'typo' raised SyntaxError"),
        ("good:ap", False, "module 'good' has no 'ap'; did you mean app?"),
        ("good:number", False, "good:number is of type int, not an anylane.App"),
        ("good:make", False, "is it a factory? then add --factory"),
        ("good:app", True, "leave --factory out"),
        ("good:wrong", True, "good:wrong() is of type int, not an anylane.App"),
        ("good:broken", True, "good:broken() raised ValueError: no key"),
    ],
)
def test_an_app_that_cannot_be_loaded_is_told_with_what_to_do(target, factory, expected):
    with pytest.raises(CannotStart) as caught:
        load_app(target, factory=factory)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "goud:app"], "there is no module 'goud'"),
        (["run", "raising:app"], "importing 'raising' raised RuntimeError: two lines"),
        (["run"], "no app was named; write MODULE:APP"),
        (
            ["run", "good:app", "--backend", "trip"],
            "no backend 'trip'; did you mean trio?",
        ),
        (["run", "good:app", "--backend", "no_pkg:Class"], "'no_pkg:Class' needs no_pkg"),
        (["run", "good:app", "--backend", "good:number"], "cannot be loaded: TypeError"),
        (["run", "good:app", "--backend", "good:App"], "no backend: it has no name and run()"),
        (["run", "good:app", "--port", "x"], "--port is 'x'; expected a whole number"),
        (["run", "good:app", "--port", "65536"], "the command line: ServerConfig.port is 65536"),
        (["run", "good:app", "--limits-body", "0"], "Limits.body is 0"),
        (["run", "good:app", "--bind", "nowhere"], "ServerConfig.bind has 'nowhere'; expected"),
        (
            ["run", "good:app", "--workers", "0"],
            "the command line: workers is 0; expected 1 to",
        ),
        (["run", "good:app", "--log-level", "loud"], "line: log_level is 'loud'; expected one of"),
        (["run", "good:app", "--config", "none.toml"], "none.toml: No such file"),
        (["run", "good:app", "--port", "1", "--uds", "x"], "the command line says where to listen"),
        (["run", "good:app", "--host", "no.such.host.invalid"], "cannot listen on no.such.host"),
        (["run", "good:app", "--uds", "/no/such/folder/a"], "(--uds, uds=)"),
        (["run", "good:app", "--fd", "999"], "descriptor 999: Bad file descriptor"),
        (
            ["run", "good:app", "--timeout-graceful-shutdown", "soon"],
            "--timeouts-drain or --timeout-graceful-shutdown is 'soon'; expected a number",
        ),
        (
            ["run", "good:app", "--forwarded-allow-ips", "10.0.0.0/8,nginx"],
            "ServerConfig.forwarded_allow_ips has 'nginx'",
        ),
        (["run", "good:app", "--bind", ""], "ServerConfig.bind has ''; expected"),
        (["run", "good:app", "--env-file", "none.env"], "--env-file none.env: No such file"),
        (["routes", "good:app", "--env-file", "none.env"], "--env-file none.env: No such file"),
        (["run", "good:app", "--app-dir", "none"], "there is no folder "),
        (["routes", "goud:app"], "there is no module 'goud'"),
    ],
)
def test_what_cannot_start_is_one_line_and_exit_code_3(arguments, expected):
    result = anylane(*arguments)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("anylane: ")
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("limits_body", "0", "Limits.body is 0; expected 1 to"),
        ("linger", "2", "ServerConfig.linger is 2; expected 0 (reset) or None"),
        ("ws_buffer_size", "262145", "ServerConfig.ws_buffer_size is 262145; expected 1024 to"),
        ("workers", "0", "workers is 0; expected 1 to 1024"),
        ("worker_timeout", "0.0", "worker_timeout is 0.0; expected 0.1 to 86400.0"),
    ],
)
def test_a_bad_value_from_any_source_is_one_line_and_exit_code_3(
    monkeypatch, source, setting, value, expected
):
    arguments = ["run", "good:app"]
    match source:
        case "flag":
            arguments += [f"--{setting.replace('_', '-')}", value]
        case "variable":
            monkeypatch.setenv(f"ANYLANE_{setting.upper()}", value)
        case _:
            table = {"limits_body": "[limits]\nbody", "workers": "[run]\nworkers"}
            table["worker_timeout"] = "[run]\nworker_timeout"
            Path("a.toml").write_text(f"{table.get(setting, setting)} = {value}\n", "utf-8")
            arguments += ["--config", "a.toml"]
    told = {"flag": "the command line", "variable": "the environment", "file": "a.toml"}
    result = anylane(*arguments)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith(f"anylane: {told[source]}: ")
    assert result.stderr.count("\n") == 1
    assert expected in result.stderr


def test_debug_adds_the_traceback():
    result = anylane("run", "raising:app", "--log-level", "debug")
    assert result.exit_code == 3
    assert "Traceback" in result.stderr
    assert "raising.py" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("anylane: importing 'raising' raised")


def test_an_unknown_option_is_clicks_own_matter():
    assert anylane("run", "good:app", "--prot", "1").exit_code == 2


# --- where settings come from ----------------------------------------------------------------


def test_a_flag_beats_a_variable_beats_the_file_beats_the_default(folder, monkeypatch):
    text = "port = 1\nbacklog = 1\nmax_threads = 1\n[run]\nbackend = 'trio'\nworkers = 2\n"
    (folder / "a.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ANYLANE_PORT", "2")
    monkeypatch.setenv("ANYLANE_BACKLOG", "2")
    monkeypatch.setenv("ANYLANE_WORKERS", "3")
    monkeypatch.setenv("ANYLANE_CONFIG", "a.toml")
    options = Options({"app": "good:app", "port": "3", "bind": ()})
    config = options.config
    assert (config.port, config.backlog, config.max_threads, config.host) == (3, 2, 1, "127.0.0.1")
    assert (options.run.backend, options.run.workers) == ("trio", 3)
    assert options.run.log_level == "info"


def test_a_preset_is_below_everything(folder, monkeypatch):
    monkeypatch.setenv("ANYLANE_LIMITS_BODY", "7")
    options = Options({"app": "good:app", "preset": "strict"})
    assert options.config.limits.body == 7
    assert options.config.limits.header_count == 64


@pytest.mark.parametrize(
    ("theirs", "ours", "value", "other"),
    [
        ("WEB_CONCURRENCY", "WORKERS", "4", "5"),
        ("FORWARDED_ALLOW_IPS", "FORWARDED_ALLOW_IPS", "10.0.0.1, ::1", "*"),
        ("ANYLANE_TIMEOUT_GRACEFUL_SHUTDOWN", "TIMEOUTS_DRAIN", "4", "5"),
    ],
)
def test_a_variable_that_others_know_counts_unless_ours_is_set(theirs, ours, value, other):
    ours = f"ANYLANE_{ours}"
    for environ, same in (
        ({theirs: value}, {ours: value}),
        ({theirs: value, ours: other}, {ours: other}),
    ):
        found = read_environment(ServerConfig, environ, command=True)
        assert found == read_environment(ServerConfig, same, command=True)
        assert found


def test_web_concurrency_is_the_number_of_workers(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert Options({"app": "a:b"}).run.workers == 4


def test_a_flag_beats_what_others_know(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert Options({"app": "a:b", "workers": "2"}).run.workers == 2


def test_an_empty_web_concurrency_is_none_and_a_wrong_one_is_named(monkeypatch):
    monkeypatch.setenv("WEB_CONCURRENCY", "")
    assert Options({"app": "a:b"}).run.workers == 1
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    message = "WEB_CONCURRENCY is 'many'; expected a whole number or auto"
    with pytest.raises(ConfigError, match=message):
        Options({"app": "a:b"})


def test_only_the_command_looks_at_variables_without_our_prefix(monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.setenv("WEB_CONCURRENCY", "auto")
    assert ServerConfig.from_env() == ServerConfig()


def given(*arguments: str) -> ServerConfig:
    """What a command line means."""
    context = cli.run_command().make_context("run", ["a:b", *arguments])
    return Options(context.params).config


@pytest.mark.parametrize("flag", ["--timeouts-drain", "--timeout-graceful-shutdown"])
def test_the_drain_has_the_name_that_others_give_it_too(flag):
    assert given(flag, "7").timeouts.drain == 7


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (False, ("127.0.0.1", "::1"))),
        (["--proxy-headers"], (True, ("127.0.0.1", "::1"))),
        (["--no-proxy-headers"], (False, ("127.0.0.1", "::1"))),
        (["--forwarded-allow-ips", "*"], (False, ("*",))),
        (["--forwarded-allow-ips", "unix, 10.0.0.0/8"], (False, ("unix", "10.0.0.0/8"))),
        (
            ["--forwarded-allow-ips", "unix", "--forwarded-allow-ips", "::1,10.0.0.1"],
            (False, ("unix", "::1", "10.0.0.1")),
        ),
    ],
)
def test_proxies_are_named_once_or_several_times(arguments, expected):
    config = given(*arguments)
    assert (config.proxy_headers, config.forwarded_allow_ips) == expected


# --- the environment's file ------------------------------------------------------------------


@pytest.fixture
def environ(monkeypatch):
    """The environment, as it was before once the test has ended."""
    found = dict(os.environ)
    monkeypatch.setattr(os, "environ", found)
    yield found
    logging.getLogger("anylane").setLevel(logging.NOTSET)  # A file may have set it.


def test_a_file_adds_to_the_environment_what_is_not_in_it(folder, environ):
    text = (
        "# settings\nANYLANE_PORT=1\nexport ANYLANE_BACKLOG = 2\n\n"
        "SECRET='a b#c'  # not of ours\nLONG=\"two\\nlines\"\nURL=http://${HOST_NAME}/\nNOTHING\n"
    )
    (folder / "a.env").write_text(text, encoding="utf-8")
    environ.update({"ANYLANE_BACKLOG": "3", "HOST_NAME": "h"})
    load_env_file("a.env")
    config = Options({"app": "a:b"}).config
    assert (config.port, config.backlog) == (1, 3)
    assert (environ["SECRET"], environ["LONG"]) == ("a b#c", "two\nlines")
    assert "NOTHING" not in environ


def test_the_command_reads_the_file_before_its_settings(folder, environ):
    (folder / "a.env").write_text("ANYLANE_APP=goud:app\nANYLANE_LOG_LEVEL=debug\n", "utf-8")
    (folder / "b.env").write_text("ANYLANE_WORKERS=0\n", encoding="utf-8")
    result = anylane("run", "--env-file", "a.env")
    assert "there is no module 'goud'" in result.stderr
    assert "Traceback" in result.stderr
    environ["ANYLANE_ENV_FILE"] = "b.env"
    assert "workers is 0; expected" in anylane("run", "good:app").stderr


def test_routes_are_those_of_the_app_in_that_environment(folder, environ):
    (folder / "a.env").write_text("PREFIX=/api\n", encoding="utf-8")
    text = (
        "import os\nfrom anylane import App\napp = App()\n"
        "@app.get(os.environ['PREFIX'] + '/a')\ndef a(ctx): ...\n"
    )
    (folder / "needy.py").write_text(text, encoding="utf-8")
    assert "PREFIX" in anylane("routes", "needy:app").stderr
    assert "/api/a" in anylane("routes", "needy:app", "--env-file", "a.env").stdout


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"A=1\nnot a setting\n", "--env-file a.env: line 2 cannot be read; expected KEY=VALUE"),
        (b'A="open\nB=2\n', "line 1 cannot be read; expected KEY=VALUE"),
        (b"A=1\nB=\0\n", "line 2 cannot be read; expected KEY=VALUE"),
        (b"=1\n", "line 1 cannot be read; expected KEY=VALUE"),
        (b"''=1\n", "line 1 cannot be read; expected KEY=VALUE"),
        (b"A=\xff\n", "a.env is not UTF-8: invalid start byte at 2"),
    ],
)
def test_a_file_that_cannot_be_read_loads_nothing(folder, environ, data, expected):
    (folder / "a.env").write_bytes(data)
    before = dict(environ)
    with pytest.raises(ConfigError) as caught:
        load_env_file("a.env")
    assert expected in str(caught.value)
    assert environ == before


def test_a_file_needs_the_library_that_reads_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dotenv", None)
    result = anylane("run", "good:app", "--env-file", "a.env")
    assert (result.exit_code, result.stdout) == (3, "")
    expected = "anylane: --env-file needs python-dotenv: pip install 'anylane[env]'\n"
    assert result.stderr == expected


# --- the flags and their help ----------------------------------------------------------------


def test_every_setting_is_a_flag_and_described():
    flags = {name for option in cli.run_command().params for name in option.opts}
    for setting in (*settings(ServerConfig), *run_settings()):
        assert f"--{setting.name.replace('_', '-')}" in flags or setting.name == "app"
    for option in cli.run_command().params:
        assert option.name == "app" or getattr(option, "help", None), option.name


def test_no_setting_of_the_command_has_the_name_of_a_servers():
    """They share the command line and the environment."""
    assert {each.name for each in run_settings()}.isdisjoint(
        each.name for each in settings(ServerConfig)
    )


def test_the_help_of_a_setting_names_all_that_may_be_chosen():
    texts = reasons(RunSettings)
    for setting in run_settings():
        for choice in setting.metadata.get("choices", ()):
            assert choice in (setting.default, *re.findall(r"\w+", texts[setting.name]))


def test_each_preset_has_settings_of_its_own_that_the_others_are_added_to():
    assert tuple(BASES) == PRESETS


def test_help_lists_all_in_parts():
    text = anylane("run", "--help").stdout
    for word in ("Options:", "Serving:", "Limits and time-outs", "--limits-body", "--no-reload",
                 "WebSocket compression", "--deflate-level"):  # fmt: skip
        assert word in text


# --- the other commands ----------------------------------------------------------------------


def test_routes():
    lines = anylane("routes", "good:app").stdout.splitlines()
    assert lines[0].split()[:3] == ["GET", "/a/{n:int}", "a"]
    assert lines[1].split()[:3] == ["WEBSOCKET", "/ws", "ws"]
    found = json.loads(anylane("routes", "good:app", "--json").stdout)
    assert found[0]["methods"] == "GET"
    assert "good.py:" in found[0]["where"]


def test_routes_of_an_app_without_any(folder):
    (folder / "empty.py").write_text("from anylane import App\napp = App()\n", encoding="utf-8")
    result = anylane("routes", "empty:app")
    assert (result.exit_code, result.stdout) == (0, "")


def test_backends_tells_version_and_state(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    lines = {line.split()[0]: line for line in anylane("backends").stdout.splitlines()}
    assert lines.keys() >= {"asyncio", "uvloop", "anyio", "trio", "curio", "threads"}
    assert lines["threads"].endswith("available")
    assert "not available: backend 'uvloop' needs uvloop: pip install" in lines["uvloop"]


@pytest.mark.parametrize("module", ["anylane", "anylane_backends.hosting.cli.commands"])
def test_python_m(module):
    code = "from anylane_backends.hosting.cli.commands import main; main()"
    start = ["-m", module] if module == "anylane" else ["-c", code]
    done = subprocess.run(
        [sys.executable, *start, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"anylane {__version__}, Python 3.")


def test_click_is_the_commands_alone():
    code = "import sys, anylane_backends.hosting.server; sys.exit('click' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- small parts -----------------------------------------------------------------------------


def test_an_access_line(caplog):
    head = RequestHead(b"GET", b"/a?b", b"1.1", Fields(b"", []))
    caplog.set_level("INFO", logger="anylane.access")
    log_access(Access(("1.2.3.4", 5), head, 200, 12, 0.0015))
    log_access(Access(("::1", 5, 0, 0), head, 200, 12, 0))
    log_access(Access(("1.2.3.4", 0), head, 200, 12, 0))
    log_access(Access(("2001:db8::1", 0), head, 200, 12, 0))
    log_access(Access("", None, 400, 3, 0))
    log_access(Access(None, RequestHead(b"HEAD", b"/", b"1.0", Fields(b"", [])), 0, 12, 2))
    assert caplog.messages == [
        '1.2.3.4:5 "GET /a?b HTTP/1.1" 200 12 1.5',
        '[::1]:5 "GET /a?b HTTP/1.1" 200 12 0.0',
        '1.2.3.4 "GET /a?b HTTP/1.1" 200 12 0.0',
        '2001:db8::1 "GET /a?b HTTP/1.1" 200 12 0.0',
        '- "-" 400 3 0.0',
        '- "HEAD / HTTP/1.0" - 0 2000.0',
    ]


def test_quotes_and_backslashes_of_a_client_do_not_end_the_field(caplog):
    """As nginx writes them, so that a line has one reading."""
    head = RequestHead(b"GET", b'/a" 200 9 "\\x22', b"1.1", Fields(b"", []))
    caplog.set_level("INFO", logger="anylane.access")
    log_access(Access(("1.2.3.4", 5), head, 404, 0, 0))
    (line,) = caplog.messages
    assert line == r'1.2.3.4:5 "GET /a\x22 200 9 \x22\x5Cx22 HTTP/1.1" 404 0 0.0'


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ()),
        ({"LISTEN_PID": "me", "LISTEN_FDS": "2"}, ("fd://3", "fd://4")),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, ()),
        ({"LISTEN_PID": "me", "LISTEN_FDS": "x"}, ()),
    ],
)
def test_descriptors_of_systemd_are_taken_once(environ, expected):
    environ = {k: str(os.getpid()) if v == "me" else v for k, v in environ.items()}
    assert listen_fds(environ) == expected
    assert environ == {}


def test_explicit_addresses_beat_descriptors_of_systemd(monkeypatch):
    for port, expected in (("", ("fd://3",)), ("9", ())):
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        assert Options({"app": "a:b", "port": port or None}).config.bind == expected


def test_a_config_error_is_a_value_error():
    with pytest.raises(ConfigError):
        Options({"app": "a:b", "port": "nine"})


def test_the_folder_of_the_app_is_importable(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "deep.py").write_text(MODULES["good"], encoding="utf-8")
    assert isinstance(load_app("deep:app", app_dir="inner"), App)
    assert str(Path("inner").absolute()) in sys.path
