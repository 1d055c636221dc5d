"""The file of --log-config: what is refused, in which words, and how other settings go with it."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from anylane import ConfigError
from anylane_backends.hosting.cli.log_config import LogConfig
from anylane_backends.hosting.cli.log_setup import set_up_logging, warn_of_several_processes
from anylane_backends.hosting.cli.options import Options
from anylane_backends.hosting.messages import log
from tests.backends.hosting.invoked import invoked

HANDLER = '[handlers.a]\nclass = "logging.StreamHandler"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A folder of its own, and logging as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "main.py").write_text("from anylane import App\napp = App()\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("raise SystemExit('a\\nb')\n", encoding="utf-8")
    names = (None, "anylane", "anylane.access", "shop")
    kept = [
        (each, each.level, [*each.handlers], [*each.filters], each.propagate, each.disabled)
        for each in map(logging.getLogger, names)
    ]
    last = logging.lastResort
    yield tmp_path
    logging.lastResort = last
    for each, level, handlers, filters, propagate, disabled in kept:
        each.setLevel(level)
        for handler in each.handlers:
            if handler not in handlers:
                handler.close()
        each.handlers[:], each.filters[:] = handlers, filters
        each.propagate, each.disabled = propagate, disabled


def options(text: str | None, **flags: object) -> Options:
    if text is not None:
        Path("log.toml").write_text(text, encoding="utf-8")
        flags["log_config"] = "log.toml"
    return Options({"app": "main:app", **flags})


WRONG = {
    "x = 1": "unknown key x; expected disable_existing_loggers, filters, ",
    "handler = 1": "unknown key handler; did you mean handlers?",
    "version = 2": "version is 2; expected 1",
    "incremental = true": "incremental is True; expected false: the file is all of the",
    "disable_existing_loggers = 1": "disable_existing_loggers is 1; expected true or false",
    "handlers = 3": "handlers is 3; expected a table",
    "root = 3": "root is 3; expected a table",
    "handlers.a = 3": "handlers.a is 3; expected a table",
    "formatters.a.fmt = 'x'": "unknown key formatters.a.fmt; did you mean format?",
    "filters.a.names = 'x'": "unknown key filters.a.names; did you mean name?",
    "[handlers.a]\nlevel = 'INFO'": "handlers.a.class is None; expected the dotted name of a ",
    "[handlers.a]\nclass = 3": "handlers.a.class is 3; expected the dotted name",
    "[handlers.a]\nclass = 'logging.handlers.QueueHandler'": (
        "handlers.a.class is 'logging.handlers.QueueHandler'; expected a handler that writes by "
        "itself: no QueueListener runs here"
    ),
    f"{HANDLER}level = 'info'": "handlers.a.level is 'info'; expected one of CRITICAL, ",
    f"{HANDLER}level = true": "handlers.a.level is True; expected one of CRITICAL, ",
    f"{HANDLER}formatter = 'x'": "handlers.a.formatter is 'x'; expected a name in a table form",
    f"{HANDLER}formatter = 'x'\n[formatters.y]": (
        "handlers.a.formatter is 'x'; expected one of formatters: y"
    ),
    f"{HANDLER}filters = 'x'": "handlers.a.filters is 'x'; expected a list of names of filters",
    f"{HANDLER}filters = ['x']": "handlers.a.filters is 'x'; expected a name in a table filters",
    f"{HANDLER}[root]\nhandlers = ['b']": "root.handlers is 'b'; expected one of handlers: a",
    "root.propagate = false": "unknown key root.propagate; expected filters, handlers, level",
    "loggers.shop.propagate = 1": "loggers.shop.propagate is 1; expected true or false",
    "loggers.shop.levels = 'INFO'": "unknown key loggers.shop.levels; did you mean level?",
    "[": "log.toml: ",
}
"""What can be told without making a handler."""


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_the_file_is_told_with_its_key(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(text)
    message = str(caught.value)
    assert message.startswith("log.toml: ")
    assert WRONG[text] in message
    assert "\n" not in message


LATE = {
    "[handlers.a]\nclass = 'no_such.Handler'": (
        "handlers.a.class is 'no_such.Handler'; expected a class that can be imported: No module"
    ),
    "[handlers.a]\nclass = 'logging.NoSuch'": (
        "handlers.a.class is 'logging.NoSuch'; expected a class that can be imported: No module"
    ),
    "[handlers.a]\nclass = 'broken.Handler'": "SystemExit: a b",
    "[handlers.a]\nclass = 'logging.FileHandler'\nfilename = 'no/such/a.log'": (
        "handlers.a.filename is 'no/such/a.log'; expected a file that can be written: No such file"
    ),
    "[handlers.a]\nclass = 'logging.FileHandler'\nfile = 'a.log'": (
        "handlers.a cannot be made: TypeError: "
    ),
    "[formatters.a]\nclass = 'anylane_backends.logging.JsonFormatter'\nformat = '%(message)s'": (
        "formatters.a cannot be made: ValueError: JsonFormatter has fixed members; leave format"
    ),
    "[formatters.a]\nformat = '%(message)'": "formatters.a cannot be made: ValueError: Invalid ",
    "[formatters.a]\n'()' = 'shop.none'": "formatters.a.class is 'shop.none'; expected a class ",
}
"""What only turns out when formatters and handlers are made."""


@pytest.mark.parametrize("text", LATE)
def test_what_cannot_be_made_is_told_with_its_key_before_the_port_is_bound(text: str) -> None:
    Path("log.toml").write_text(text, encoding="utf-8")
    # A port that cannot be bound would be the error otherwise.
    result = invoked("run", "main:app", "--host", "192.0.2.1", "--log-config", "log.toml")
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("anylane: log.toml: ")
    assert LATE[text] in line


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=re.escape("no.toml: No such file or directory")):
        Options({"app": "main:app", "log_config": "no.toml"})
    Path("log.yaml").write_text("version: 1", encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape("expected a name that ends in .toml or .json")):
        Options({"app": "main:app", "log_config": "log.yaml"})
    Path("log.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected a table of logging\.config\.dictConfig"):
        Options({"app": "main:app", "log_config": "log.json"})


def test_json_and_a_file_relative_to_the_working_directory(folder: Path) -> None:
    config = {
        "formatters": {"json": {"()": "anylane_backends.logging.JsonFormatter"}},
        "filters": {"ids": {"()": "anylane_backends.logging.IdsFilter"}},
        "handlers": {
            "file": {
                "class": "logging.handlers.WatchedFileHandler",
                "filename": "app.log",
                "formatter": "json",
                "filters": ["ids"],
            }
        },
        "root": {"handlers": ["file"], "level": "INFO"},
    }
    (folder / "log.json").write_text(json.dumps(config), encoding="utf-8")
    set_up_logging(Options({"app": "main:app", "log_config": "log.json"}))
    logging.getLogger("shop").info("hello", extra={"order": 7})
    found = json.loads((folder / "app.log").read_text(encoding="utf-8"))
    assert (found["message"], found["order"]) == ("hello", 7)


def levels() -> tuple[int, int]:
    return logging.getLogger("anylane").level, logging.getLogger("anylane.access").level


INFO, WARNING, ERROR, DEBUG = logging.INFO, logging.WARNING, logging.ERROR, logging.DEBUG
OURS = "[loggers.anylane]\nlevel = 'ERROR'\n"
ACCESS = "[loggers.'anylane.access']\nlevel = 'WARNING'\n"


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        (None, {}, (INFO, 0)),
        (None, {"log_level": "warning"}, (WARNING, 0)),
        (None, {"log_level": "warning", "access_log": True}, (WARNING, INFO)),
        (HANDLER, {}, (INFO, 0)),
        (OURS, {}, (ERROR, 0)),
        (OURS, {"log_level": "debug"}, (DEBUG, 0)),
        (OURS, {"access_log": True}, (ERROR, INFO)),
        (ACCESS, {}, (INFO, WARNING)),
        (ACCESS, {"access_log": True}, (INFO, WARNING)),
    ],
)
def test_a_level_that_was_asked_for_beats_that_of_the_file(
    text: str | None, flags: dict[str, object], expected: tuple[int, int]
) -> None:
    set_up_logging(options(text, **flags))
    assert levels() == expected


def test_what_no_handler_of_the_file_takes_goes_where_it_went(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # Those of pytest would take it.
    set_up_logging(
        options(
            "[handlers.file]\nclass = 'logging.FileHandler'\nfilename = 'shop.log'\n"
            "[loggers.shop]\nhandlers = ['file']\nlevel = 'INFO'\npropagate = false\n",
            log_format="json",
        )
    )
    logging.getLogger("shop").info("an order")
    log("info", "a refusal", None)
    assert Path("shop.log").read_text(encoding="utf-8") == "an order\n"
    assert json.loads(capsys.readouterr().err)["message"] == "a refusal"


def test_loggers_that_are_there_stay_unless_the_file_says_otherwise() -> None:
    shop = logging.getLogger("shop")
    set_up_logging(options(HANDLER))
    assert not shop.disabled and not logging.getLogger("anylane").disabled
    set_up_logging(options(f"disable_existing_loggers = true\n{HANDLER}"))
    assert shop.disabled


FILE = (
    "[handlers.file]\nclass = 'logging.FileHandler'\nfilename = '{}'\n[root]\nhandlers = ['file']\n"
)


def test_a_new_file_takes_the_place_of_the_old_one() -> None:
    first = options(FILE.format("a.log") + "[loggers.shop]\nlevel = 'ERROR'\npropagate = false\n")
    set_up_logging(first)
    log("warning", "one", None)
    second = options(FILE.format("b.log"))
    set_up_logging(second, instead_of=first)
    log("warning", "two", None)
    shop = logging.getLogger("shop")
    assert shop.propagate and shop.level == logging.NOTSET
    with pytest.raises(ConfigError):
        set_up_logging(options(FILE.format("no/such/c.log")), instead_of=second)
    log("warning", "three", None)
    set_up_logging(options(None), instead_of=second)
    log("warning", "four", None)
    assert Path("a.log").read_text(encoding="utf-8") == "one\n"
    assert Path("b.log").read_text(encoding="utf-8") == "two\nthree\n"


def test_handlers_that_lose_lines_between_processes_are_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinds = {
        "rotating": "class = 'logging.handlers.RotatingFileHandler'\nfilename = 'a.log'",
        "timed": "class = 'logging.handlers.TimedRotatingFileHandler'\nfilename = 'b.log'",
        "emptied": "class = 'logging.FileHandler'\nfilename = 'c.log'\nmode = 'w'",
        "appended": "class = 'logging.FileHandler'\nfilename = 'd.log'",
        "watched": "class = 'logging.handlers.WatchedFileHandler'\nfilename = 'e.log'",
        "own": "'()' = 'logging.StreamHandler'",
    }
    told = options("".join(f"[handlers.{name}]\n{text}\n" for name, text in kinds.items()))
    warn_of_several_processes(told)
    lost = (
        "rotates its file in each process, and lines of the others are lost; use "
        "logging.handlers.WatchedFileHandler, and logrotate"
    )
    assert caplog.messages == [
        f"log.toml: handlers.rotating {lost}",
        f"log.toml: handlers.timed {lost}",
        "log.toml: handlers.emptied has the mode 'w': each process empties the file",
    ]
    caplog.clear()
    warn_of_several_processes(options(None))
    assert caplog.messages == []


def test_a_class_of_the_apps_own_folder_may_be_named(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "own_lines.py").write_text(
        "import logging\nclass Lines(logging.Formatter):\n"
        "    def format(self, record): return f'own {record.getMessage()}'\n",
        encoding="utf-8",
    )
    set_up_logging(
        options(
            "[formatters.own]\n'()' = 'own_lines.Lines'\n" + FILE.format("a.log").replace(
                "[root]", "formatter = 'own'\n[root]"
            ),
            app_dir="src",
        )
    )  # fmt: skip
    log("warning", "line", None)
    assert Path("a.log").read_text(encoding="utf-8") == "own line\n"


def test_the_file_may_be_applied_again_and_again() -> None:
    Path("log.toml").write_text(FILE.format("a.log"), encoding="utf-8")
    config = LogConfig("log.toml")
    for _ in range(3):
        config.withdraw()
        config.apply()
    logging.getLogger("shop").warning("once")
    assert Path("a.log").read_text(encoding="utf-8") == "once\n"
