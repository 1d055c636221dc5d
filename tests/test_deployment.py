"""The files of docs/deployment/ are what their programs take, and fit each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from configparser import RawConfigParser
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from anylane import App, Broadcast, ServerConfig
from anylane.config.run_settings import RunSettings
from anylane.contrib import Metrics
from anylane.testing import TestClient
from anylane_backends.hosting.cli.new_project import create
from tools.stages import ROOT

FOLDER = ROOT / "docs" / "deployment"
SERVICE, SOCKET = FOLDER / "shop.service", FOLDER / "shop.socket"

analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze to ask"
)


def unit(file: Path) -> RawConfigParser:
    """Return a unit; of what stands there twice, the last."""
    found = RawConfigParser(strict=False)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read(file, encoding="utf-8")
    return found


def installed(folder: Path) -> list[Path]:
    """Copy the units to a folder, with a program that is there; return them."""
    text = SERVICE.read_text(encoding="utf-8").replace(
        "/opt/shop/bin/anylane", shutil.which("true") or ""
    )
    (folder / SERVICE.name).write_text(text, encoding="utf-8")
    shutil.copy(SOCKET, folder)
    return [folder / SERVICE.name, folder / SOCKET.name]


def settings() -> tuple[ServerConfig, RunSettings]:
    """Return what the file of settings says."""
    file = FOLDER / "server.toml"
    run = tomllib.loads(file.read_text(encoding="utf-8"))["run"]
    return ServerConfig.from_file(file), RunSettings(**run)


@analyze
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    command = ["systemd-analyze", "verify", "--man=no", *map(str, installed(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@analyze
def test_systemd_rates_the_service_as_hardened(tmp_path: Path) -> None:
    service, _ = installed(tmp_path)
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(service)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze rates no files (systemd 250 does)")
    assert done.returncode == 0, done.stdout


def test_the_service_manager_waits_for_longer_than_a_drain_takes() -> None:
    config, _ = settings()
    assert int(unit(SERVICE)["Service"]["TimeoutStopSec"]) > config.timeouts.drain + 2


def test_there_is_a_descriptor_for_each_connection() -> None:
    config, _ = settings()
    assert int(unit(SERVICE)["Service"]["LimitNOFILE"]) >= config.max_connections + 256


def test_the_backlog_of_the_socket_is_the_servers_own() -> None:
    assert int(unit(SOCKET)["Socket"]["Backlog"]) == settings()[0].backlog


def test_the_server_takes_the_socket_of_its_unit() -> None:
    config, run = settings()
    given = (FOLDER / "server.toml").read_text(encoding="utf-8")
    # An address that is given by other means would be served in its place.
    assert not re.search(r"^(host|port|uds|fd|bind) =", given, re.MULTILINE)
    assert config.proxy_headers
    assert config.forwarded_allow_ips == ("unix",)
    assert unit(SOCKET)["Socket"]["ListenStream"].startswith("/run/")
    assert isinstance(run.workers, int)
    assert run.workers > 1
    assert "--config /etc/shop/server.toml" in unit(SERVICE)["Service"]["ExecStart"]


def test_the_container_file_is_the_one_of_a_new_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    create("shop", "asyncio")
    assert (tmp_path / "shop/Containerfile").read_bytes() == (FOLDER / "Containerfile").read_bytes()


def test_alerts_are_about_figures_that_there_are() -> None:
    app, registry = App(), CollectorRegistry()
    metrics = Metrics(registry=registry)
    metrics.watch(Broadcast(), "chat")
    app.use(metrics)
    app.get("/")(lambda ctx: "home")
    with TestClient(app) as client:
        client.get("/")
        shown = set(re.findall(r"^(anylane_\w+)", client.get("/metrics").text, re.MULTILINE))
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"anylane_\w+", rule["expr"])}
    assert asked
    assert asked <= shown
    assert all(rule["for"] and rule["annotations"]["summary"] for rule in rules)


@pytest.mark.parametrize("page", ["security.md", "operations.md"])
def test_each_test_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`", text))
    folders = ("tests", "docs/examples", "conformance/anylane_conformance/cases")
    sources = [
        file.read_text("utf-8") for folder in folders for file in (ROOT / folder).rglob("*.py")
    ]
    defined = set(re.findall(r"^ *(?:async )?def (\w+)", "\n".join(sources), re.MULTILINE))
    # Rows of tests/whole/test_limits.py have names of their own; the page is drawn from them.
    rows = (ROOT / "tests/whole/test_limits.py").read_text("utf-8")
    settings = {*ServerConfig.__dataclass_fields__}
    missing = {
        name
        for name in named - defined - settings
        if name not in rows and not name.startswith("anylane_")
    }
    assert missing == set()


def test_every_limit_is_there_for_some_attack() -> None:
    security, limits = import_module("security"), import_module("limits")
    shown = {path for settings in security.ATTACKS.values() for path in settings}
    assert {name for name in limits.rows() if not name.startswith("anylane.")} == shown
