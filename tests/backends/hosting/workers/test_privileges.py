"""The user, the groups and the umask of workers: by real processes, where the tests are root."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import click
import h11
import pytest
import trustme

import anylane
import anylane_backends
from anylane_backends.hosting.system.privileges import PrivilegesError, identity_of
from tests.backends.hosting.workers.servers import Server, ask
from tests.waiting import eventually

IS_ROOT = os.geteuid() == 0
WHO = "nobody"

_PACKAGES = (anylane.__file__, anylane_backends.__file__, h11.__file__, click.__file__)
ENVIRON = {
    "PATH": os.environ.get("PATH", ""),
    "PYTHONPATH": os.pathsep.join({str(Path(each).parents[1]) for each in _PACKAGES}),
}


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter that this user can run, with what is tested: ours may be in root's home."""
    if not IS_ROOT:
        pytest.skip("only root can become another user")
    for each in (sys.executable, "/usr/bin/python3"):
        code = "import anylane_backends.hosting.cli.commands"
        try:
            subprocess.run([each, "-c", code], check=True, user=WHO, capture_output=True, cwd="/",
                           env=ENVIRON)  # fmt: skip
        except (OSError, subprocess.CalledProcessError):
            continue
        return each
    pytest.skip(f"the user {WHO} can read neither this Python nor that of the system")


@pytest.fixture
def folder(python: str) -> Generator[Path]:
    """One that every user may enter; pytest's are for its own user alone."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def serve(folder: Path, python: str) -> Generator[Callable[..., Server]]:
    servers = []

    def begin(*arguments: str) -> Server:
        servers.append(Server(folder, *arguments, python=python, env=ENVIRON))
        return servers[-1]

    yield begin
    for each in servers:
        each.close()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("group", [None, "daemon"])
def test_the_app_is_imported_as_the_user(serve, workers, group):
    more = () if group is None else ("--group", group)
    server = serve("--workers", workers, "--user", WHO, *more, "--umask", "0o027")
    entry = pwd.getpwnam(WHO)
    gid = entry.pw_gid if group is None else grp.getgrnam(group).gr_gid
    found = json.loads(ask(server.port, "/who"))
    assert found == {
        "uid": entry.pw_uid,
        "gid": gid,
        "groups": sorted(os.getgrouplist(WHO, gid)),
        "imported by": entry.pw_uid,
        "umask": 0o027,
    }
    assert server.end()[0] == 0


def test_numbers_do_for_users_and_groups_that_have_no_entry(serve):
    server = serve("--user", "54321", "--group", "54322")
    found = json.loads(ask(server.port, "/who"))
    assert (found["uid"], found["gid"], found["groups"]) == (54321, 54322, [54322])


def test_a_group_alone(serve):
    server = serve("--group", "daemon")
    found = json.loads(ask(server.port, "/who"))
    gid = grp.getgrnam("daemon").gr_gid
    assert (found["uid"], found["gid"], found["groups"]) == (0, gid, [gid])


def certificate(folder: Path) -> tuple[str, ...]:
    """Write a certificate and a key that root alone can read."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "key.pem").chmod(0o600)
    return "--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem"


def serial_of(port: int, folder: Path) -> str:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    with (
        socket.create_connection(("127.0.0.1", port), 10) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
    ):
        found = tls.getpeercert()
        assert found is not None
        return str(found["serialNumber"])


def test_workers_read_a_key_that_is_roots_and_read_it_again(serve, folder):
    """Each worker begins as the supervisor, which stays root."""
    server = serve("--workers", "2", "--user", WHO, *certificate(folder))
    before, workers = serial_of(server.port, folder), server.workers()
    certificate(folder)
    os.kill(server.pid, signal.SIGHUP)
    eventually(lambda: server.workers().isdisjoint(workers) and len(server.workers()) == 2)
    assert serial_of(server.port, folder) != before
    assert server.end()[0] == 0


def test_a_single_process_reads_it_once(serve, folder):
    server = serve("--user", WHO, *certificate(folder))
    before, authority = serial_of(server.port, folder), (folder / "ca.pem").read_bytes()
    certificate(folder)
    os.kill(server.pid, signal.SIGHUP)
    server.says("ERROR the certificate stays as it was: cannot read ssl_keyfile 'key.pem'")
    with pytest.raises(ssl.SSLError):  # It still has the one of the authority before.
        serial_of(server.port, folder)
    (folder / "ca.pem").write_bytes(authority)
    assert serial_of(server.port, folder) == before
    assert server.end()[0] == 0


def test_a_port_of_roots_and_files_of_roots(serve, folder):
    """The port is bound, and the file is written, before. The supervisor, which stays root, removes
    it."""
    server = serve("--workers", "2", "--user", WHO, "--pidfile", "pid", "--ready-file", "ready",
                   "--uds", "sock")  # fmt: skip
    assert (folder / "sock").stat().st_uid == pwd.getpwnam(WHO).pw_uid
    eventually((folder / "ready").exists)
    assert (folder / "pid").stat().st_uid == 0
    assert server.end()[0] == 0
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".py"
                  and not path.name.startswith("log") and path.is_file()) == []  # fmt: skip


def test_a_new_binary_has_the_rights_of_the_old_one(serve, folder):
    server = serve("--workers", "2", "--user", WHO, "--pidfile", "pid")
    pid = server.pid
    os.kill(pid, signal.SIGUSR2)
    assert server.process.wait(30) == 0, server.text
    new = int((folder / "pid").read_text(encoding="ascii"))
    server.adopt(new)
    assert json.loads(ask(server.port, "/who"))["uid"] == pwd.getpwnam(WHO).pw_uid
    os.kill(new, signal.SIGTERM)
    eventually(lambda: not (folder / "pid").exists())


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--user", "no-such"), "there is no user 'no-such' (--user)"),
        (("--group", "no-such"), "there is no group 'no-such' (--group)"),
        (("--user", "54321"), "user 54321 is not in the user database, so its group is not known"),
    ],
)
def test_a_name_that_is_not_known_is_one_line(start, workers, arguments, expected):
    server = start("--workers", workers, *arguments, waits=False)
    assert server.process.wait(20) == 3
    assert server.text.startswith(f"anylane: {expected}")
    assert server.text.count("\n") == 1


def test_only_root_becomes_another(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(PrivilegesError, match="only root can become user 0, and this process is"):
        identity_of("0", None)
    monkeypatch.setattr(os, "geteuid", os.getuid)
    assert identity_of(None, None) is None


def test_who_is_that_user_already_stays(monkeypatch):
    """A container that starts as the user may be given the same settings as one that does not."""
    entry = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(os, "geteuid", lambda: entry.pw_uid)
    monkeypatch.setattr(os, "getegid", lambda: entry.pw_gid)
    found = identity_of(entry.pw_name, None)
    assert found is not None
    assert (found.uid, found.gid) == (entry.pw_uid, entry.pw_gid)
