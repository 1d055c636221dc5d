"""The `anylane` command: where its settings come from, and what it says when it cannot start.

The one module that imports click. Options are made from the fields of ServerConfig, so a setting
that is added there is a flag, a variable and a key of the file at once.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from anylane import __version__
from anylane.app import App
from anylane.config.limits import Deflate, Limits, Timeouts
from anylane.config.loading import (
    ALIASES,
    COMMAND,
    PLACES,
    Setting,
    build,
    merge,
    put,
    read_environment,
    read_file,
    settings,
)
from anylane.config.server_config import RELAXED, STRICT, ServerConfig
from anylane.errors import ConfigError
from anylane.lane.server_core import Access
from anylane_backends import serving
from anylane_backends._env_file import load_env_file
from anylane_backends._listening import BindError, bind, close
from anylane_backends._processes import Supervisor
from anylane_backends._signals import LAST_RESORT
from anylane_backends._systemd import listen_fds, notify
from anylane_backends._unapplied import unapplied
from anylane_backends.serving import BackendError, backends, describe, fail, load_backend

LEVELS = ("critical", "error", "warning", "info", "debug")
PRESETS = {"default": None, "strict": STRICT, "relaxed": RELAXED}

DEFAULTS: dict[str, Any] = {
    "app": None,
    "backend": "asyncio",
    "factory": False,
    "app_dir": ".",
    "workers": 1,
    "reload": False,
    "reload_dir": None,
    "log_level": "info",
    "access_log": False,
    "preset": "default",
}
"""Of what the command alone looks at."""

HELP = {
    "backend": "asyncio, uvloop, anyio, trio, curio, threads, or package.module:Class.",
    "factory": "APP is a function without arguments that returns the app.",
    "app_dir": "Folder put first on the import path.",
    "workers": "Processes that share the listening sockets; the dead are replaced.",
    "reload": "Renew the worker when a Python file changes (needs watchfiles).",
    "reload_dir": "Folder to watch; the app's folder by default.",
    "log_level": f"{', '.join(LEVELS)}; debug also shows the traceback of a failed start.",
    "access_log": "A line for each exchange on standard error.",
    "preset": "strict or relaxed: what the other settings start from.",
}

ENV_FILE = "KEY=VALUE lines, added to the environment before it is read (needs python-dotenv)."


class CannotStart(Exception):
    """The message is the line that its user sees."""


# --- the app -----------------------------------------------------------------------------------


def load_app(target: str, *, app_dir: str = ".", factory: bool = False) -> App:
    """Import MODULE:APP. Raises CannotStart, from what the import raised if it did."""
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise CannotStart(f"{target!r} does not name an app; write MODULE:APP, such as main:app")
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").replace("/", ".").strip(".")
        raise CannotStart(
            f"{module_name!r} is a file's name; write the module's, such as {dotted}:{attribute}"
        )
    folder = str(Path(app_dir).absolute())
    if not Path(folder).is_dir():
        raise CannotStart(f"there is no folder {folder}; name the one of your modules (--app-dir)")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = _import(module_name, folder)
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise CannotStart(f"module {module_name!r} has no {attribute!r}{_other(module, name)}")
        found = getattr(found, name)
    if factory:
        if not callable(found) or isinstance(found, App):
            raise CannotStart(f"{target} is {_what(found)}, no function: leave --factory out")
        try:
            found = found()
        except Exception as exc:
            raise CannotStart(f"{target}() raised {describe(exc)}; mend it") from exc
    if not isinstance(found, App):
        what = f"{target}()" if factory else target
        hint = "; is it a factory? then add --factory" if callable(found) and not factory else ""
        raise CannotStart(f"{what} is {_what(found)}, not an anylane.App{hint}")
    return found


def _import(name: str, folder: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise CannotStart(
                f"there is no module {missing!r} in {folder} or on the import path; "
                "check the name, or name its folder with --app-dir"
            ) from exc
        raise CannotStart(
            f"importing {name!r} needs the module {missing!r}, which is not installed"
        ) from exc
    except (Exception, SystemExit) as exc:
        raise CannotStart(f"importing {name!r} raised {describe(exc)}; mend it") from exc


def _other(module: Any, name: str) -> str:
    apps = [key for key, value in vars(module).items() if isinstance(value, App)]
    near = difflib.get_close_matches(name, list(vars(module)), 1)
    found = apps or near
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _what(value: object) -> str:
    return f"of type {type(value).__name__}"


# --- settings ----------------------------------------------------------------------------------


class Options:
    """Everything that `anylane run` was told: by flags, variables, the file, in this order."""

    def __init__(self, flags: dict[str, Any], inherited: tuple[str, ...] | None = None) -> None:
        self._flags = flags
        variables = read_environment(ServerConfig, command=True)
        given = _from_flags(flags)
        path = flags.get("config") or variables.get("run", {}).get("config")
        file = read_file(path, ServerConfig, command=True) if path else {}
        sources = ((str(path), file), ("the environment", variables), ("the command line", given))
        merged = merge(*sources)
        self.command = {**DEFAULTS, **merged.pop("run", {})}
        self._check(sources)
        self._inherited = inherited
        if not any(place & merged.keys() for place in PLACES):
            # systemd's are asked for once: the variables go with it.
            self._inherited = listen_fds(os.environ) if inherited is None else inherited
            if self._inherited:
                merged["bind"] = self._inherited
        base = PRESETS[self.command["preset"]]
        self.config = build(ServerConfig, merged, base, parts=sources)

    def reread(self) -> Options:
        """The same, as the file is now. Raises ConfigError."""
        return Options(self._flags, self._inherited)

    def _check(self, sources: Iterable[tuple[str, dict[str, Any]]]) -> None:
        command = self.command
        named = {key: name for name, source in sources for key in source.get("run", {})}
        for name, allowed in (("log_level", LEVELS), ("preset", PRESETS)):
            if command[name] not in allowed:
                expected = ", ".join(allowed)
                raise ConfigError(
                    f"{named[name]}: {name} is {command[name]!r}; expected one of {expected}"
                )
        if not 1 <= command["workers"] <= 1024:
            raise ConfigError(
                f"{named['workers']}: workers is {command['workers']!r}; expected 1 to 1024"
            )
        if command["app"] is None:
            raise ConfigError(
                "no app was named; write MODULE:APP, such as main:app, set ANYLANE_APP, "
                "or put app into the file's run table"
            )


def _from_flags(flags: dict[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {}
    for setting in [*_own_settings(), *settings(ServerConfig)]:
        value = flags.get(setting.name)
        if value is None or value == ():
            continue
        if isinstance(value, str):
            try:
                value = setting.parse(value)
            except ValueError as exc:
                name = " or ".join(_flags(setting))
                raise ConfigError(f"{name} is {value!r}; {exc}") from None
        elif isinstance(value, tuple):
            value = tuple(part for each in value for part in setting.parse(each) or (each,))
        put(source, setting, value)
    return source


def _own_settings() -> list[Setting]:
    return [OwnSetting(name) for name in COMMAND]


class OwnSetting(Setting):
    """One of the command's own, which stand in the `run` table."""

    def __init__(self, name: str) -> None:
        super().__init__(("run", name), COMMAND[name], DEFAULTS[name])
        self.name = name


def _flags(setting: Setting) -> list[str]:
    """Its names on the command line, ours first."""
    names = (setting.name, ALIASES.get(setting.name))
    return [f"--{name.replace('_', '-')}" for name in names if name]


# --- logging -----------------------------------------------------------------------------------


def set_up_logging(level: str) -> None:
    """anylane's messages from that level on, everybody's from warning on, to standard error."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("anylane").setLevel(level.upper())


access_logger = logging.getLogger("anylane.access")


def log_access(access: Access) -> None:
    """One line: who, the request line, status, bytes of the body, milliseconds."""
    head = access.head
    request = "-"
    sent = access.sent
    if head is not None:
        method, target = head.method.decode("ascii"), head.target.decode("ascii", "replace")
        request = f"{method} {target} HTTP/{head.version.decode('ascii')}"
        if method == "HEAD":
            sent = 0
    peer = access.peer
    who = "-"
    if isinstance(peer, tuple):
        who = str(peer[0])
        if peer[1]:  # Of who came through a proxy it may not be known.
            who = f"[{who}]:{peer[1]}" if ":" in who else f"{who}:{peer[1]}"
    access_logger.info(
        '%s "%s" %s %d %.1f', who, request, access.status or "-", sent, access.seconds * 1000
    )


# --- the command -------------------------------------------------------------------------------


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    __version__, message=f"anylane %(version)s, Python {platform.python_version()}"
)
def command() -> None:
    """One Python web app, any lane."""


def reasons(kind: type) -> dict[str, str]:
    """Field -> the sentence below it in the source; nothing where there is no source."""
    try:
        body = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body[0]
    except (OSError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    name = ""
    for node in body.body if isinstance(body, ast.ClassDef) else []:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = " ".join(text.split())
            case _:
                name = ""
    return found


def option(setting: Setting, text: str) -> click.Option:
    """A flag. Values stay text: they are parsed where the variables are, with one message."""
    flags = _flags(setting)
    if setting.kind is bool:
        yes = flags[0]
        return click.Option([f"{yes}/--no-{yes[2:]}"], default=None, help=text)
    metavar = {int: "NUMBER", float: "SECONDS", tuple: "ADDRESS"}.get(setting.kind, "TEXT")
    many = setting.kind is tuple
    default = setting.default
    if default not in (None, (), ""):
        value = oct(default) if setting.name == "uds_mode" else default
        text = f"{text}  [{','.join(value) if many else value}]"
    if many:
        text = f"{text} May be repeated."
    return click.Option(flags, metavar=metavar, help=text, multiple=many)


class RunCommand(click.Command):
    """Help in parts: there are too many options for one list."""

    parts: dict[str, list[click.Option]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, options in self.parts.items():
            records = [each.get_help_record(ctx) for each in options]
            with formatter.section(title):
                formatter.write_dl([each for each in records if each is not None])


def _run_command() -> click.Command:
    own = [option(each, HELP[each.name]) for each in _own_settings() if each.name != "app"]
    own.append(click.Option(["--config"], metavar="FILE", help="Settings in TOML or JSON."))
    own.append(click.Option(["--env-file"], metavar="FILE", help=ENV_FILE))
    texts = {
        **reasons(ServerConfig),
        **{f"limits_{name}": text for name, text in reasons(Limits).items()},
        **{f"timeouts_{name}": text for name, text in reasons(Timeouts).items()},
        **{f"deflate_{name}": text for name, text in reasons(Deflate).items()},
    }
    serve: list[click.Option] = []
    bounds: list[click.Option] = []
    compression: list[click.Option] = []
    parts = {"limits": bounds, "timeouts": bounds, "deflate": compression}
    for setting in settings(ServerConfig):
        part = serve if len(setting.path) == 1 else parts[setting.path[0]]
        part.append(option(setting, texts.get(setting.name, "")))
    found = RunCommand(
        "run",
        callback=run,
        params=[
            click.Argument(["app"], metavar="MODULE:APP", required=False),
            *own,
            *serve,
            *bounds,
            *compression,
        ],
        help="Serve MODULE:APP until SIGINT or SIGTERM.\n\n"
        "Each option is also a variable (--limits-body is ANYLANE_LIMITS_BODY) and a key of the "
        "--config file; a flag beats a variable, a variable the file.",
    )
    found.parts = {
        "Options": own,
        "Serving": serve,
        "Limits and time-outs (bytes, seconds)": bounds,
        "WebSocket compression": compression,
    }
    return found


def run(**flags: Any) -> None:
    """`anylane run`."""
    try:
        _early_level(flags)
        if env_file := flags.get("env_file") or os.environ.get("ANYLANE_ENV_FILE"):
            load_env_file(env_file)
            _early_level(flags)
        options = Options(flags)
        set_up_logging(options.command["log_level"])
        if options.command["workers"] > 1 or options.command["reload"]:
            supervise(options)
        else:
            serve(options)
    except (ConfigError, CannotStart, BindError, BackendError) as exc:
        fail(exc.__cause__ or exc, str(exc))


def _early_level(flags: dict[str, Any]) -> None:
    # What is wrong with the settings is told before they are known.
    level = flags.get("log_level") or os.environ.get("ANYLANE_LOG_LEVEL")
    if level == "debug":
        logging.getLogger("anylane").setLevel(logging.DEBUG)


def serve(options: Options, **hooks: Any) -> None:
    """In this process."""
    told = options.command
    if told["access_log"]:
        access_logger.setLevel(logging.INFO)
        hooks["access"] = log_access
    app = load_app(told["app"], app_dir=told["app_dir"], factory=told["factory"])
    serving.run(app, options.config, told["backend"], **hooks)


def supervise(options: Options) -> None:
    """In processes of their own."""
    told = options.command
    current = options
    watch = _watcher(options) if told["reload"] else None
    listeners = bind(options.config)

    def work(ready: Callable[[], None]) -> None:
        os.environ.pop("NOTIFY_SOCKET", None)  # The supervisor speaks for all.
        try:
            serve(current, listeners=listeners, ready=lambda _: ready())
        except (CannotStart, BackendError) as exc:
            fail(exc.__cause__ or exc, str(exc))

    def announce() -> None:
        urls = " ".join(serving.url_of(each, options.config) for each in listeners)
        count = f"{told['workers']} workers, " if told["workers"] > 1 else ""
        python = platform.python_version()
        print(f"anylane on {urls} ({told['backend']}, {count}Python {python})", flush=True)
        for each in unapplied(options.config, load_backend(told["backend"]), listeners):
            serving.log("warning", each, None)
        notify("READY=1")

    def reread() -> bool:
        nonlocal current
        try:
            fresh = current.reread()
        except ConfigError as exc:
            serving.log("error", f"the settings stay as they were: {exc}", None)
            return False
        for name in fixed_that_differ(options, fresh):
            serving.log("warning", f"{name} has changed: that needs a restart", None)
        set_up_logging(fresh.command["log_level"])
        current = fresh
        return True

    try:
        status = Supervisor(
            told["workers"],
            work,
            announce=announce,
            # Ours too: as long as one copy is open, who comes waits in the backlog for nobody.
            stopping=lambda: close(listeners, unlink=True),
            log=lambda level, message: serving.log(level, message, None),
            patience=lambda: current.config.timeouts.drain + LAST_RESORT,
            reread=reread,
            watch=watch,
        ).run()
    finally:
        close(listeners, unlink=True)
    sys.exit(status)


def fixed_that_differ(old: Options, new: Options) -> list[str]:
    """Settings that the supervisor itself has used, and uses once."""
    names = [name for place in PLACES for name in sorted(place)]
    return [
        *(
            name
            for name in (*names, "uds_mode", "backlog")
            if getattr(old.config, name) != getattr(new.config, name)
        ),
        *(
            name
            for name in ("workers", "reload", "reload_dir")
            if old.command[name] != new.command[name]
        ),
    ]


def _watcher(options: Options) -> Callable[[int], None]:
    try:
        import watchfiles
    except ImportError as exc:
        raise CannotStart("--reload needs watchfiles: pip install 'anylane[reload]'") from exc
    folder = options.command["reload_dir"] or options.command["app_dir"]
    if not Path(folder).is_dir():
        raise CannotStart(f"--reload cannot watch {folder!r}: there is no such folder")
    import signal

    def watch(supervisor: int) -> None:
        for _ in watchfiles.watch(folder, watch_filter=watchfiles.PythonFilter()):
            os.kill(supervisor, signal.SIGHUP)

    return watch


@command.command()
@click.argument("app", metavar="MODULE:APP")
@click.option("--app-dir", default=".", envvar="ANYLANE_APP_DIR", help=HELP["app_dir"])
@click.option("--factory", is_flag=True, envvar="ANYLANE_FACTORY", help=HELP["factory"])
@click.option("--env-file", metavar="FILE", envvar="ANYLANE_ENV_FILE", help=ENV_FILE)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")
def routes(app: str, app_dir: str, factory: bool, env_file: str | None, as_json: bool) -> None:
    """List the routes of MODULE:APP, in order of registration."""
    try:
        if env_file:
            load_env_file(env_file)
        found = load_app(app, app_dir=app_dir, factory=factory).routes
    except (CannotStart, ConfigError) as exc:
        fail(exc.__cause__ or exc, str(exc))
    rows = [
        (
            "WEBSOCKET" if route.websocket else ",".join(sorted(route.methods)),
            f"{route.host or ''}{route.pattern.text}",
            route.name,
            route.where,
        )
        for route in found
    ]
    if as_json:
        names = ("methods", "path", "name", "where")
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
    else:
        _print_table(rows)


@command.command(name="backends")
def list_backends() -> None:
    """List the installed backends: name, version, and whether each can be used."""
    rows = []
    for name, entry in sorted(backends().items()):
        try:
            load_backend(name)
            state = "available"
        except BackendError as exc:
            state = f"not available: {exc}"
        rows.append((name, _version(name, entry.dist.name if entry.dist else None), state))
    _print_table(rows)


_RUNS_ON = {
    "asyncio": (),
    "threads": (),
    "uvloop": ("uvloop",),
    "anyio": ("anyio",),
    "trio": ("trio",),
    "curio": ("curio-compat", "curio"),
}
"""The distributions whose version tells what a backend of ours does; none: the Python itself."""


def _version(name: str, distribution: str | None) -> str:
    runs_on = _RUNS_ON.get(name, (distribution,) if distribution else ())
    if name in _RUNS_ON and not runs_on:
        return f"Python {platform.python_version()}"
    for each in runs_on:
        try:
            return f"{each} {version(each)}"
        except PackageNotFoundError:
            pass
    return "-"


def _print_table(rows: Iterable[tuple[str, ...]]) -> None:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


command.add_command(_run_command())


def main() -> None:
    """The entry point."""
    command(prog_name="anylane")
