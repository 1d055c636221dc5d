"""Draw docs/curl.md: have curl talk to the page's own app, and write down what curl shows.

The tests repeat the same conversations on every backend (docs/examples/test_clients.py).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trustme
from drawn import ROOT, draw

from anylane import App, Server, ServerConfig

PAGE = ROOT / "docs" / "curl.md"
DATE = b"Thu, 01 Jan 2026 00:00:00 GMT"

TRANSCRIPTS: dict[str, str] = {
    "get": "curl -v {url}/hello/curl",
    "head": "curl -I {url}/hello/curl",
    "keep-alive": "curl -v {url}/hello/one {url}/hello/two",
    "http10": "curl -v --http1.0 {url}/hello/curl",
    "stream": "curl -i -N {url}/countdown",
    "stream10": "curl -v -N --http1.0 {url}/countdown",
    "early": "curl -v {url}/page",
    "upload": "curl -v -H Expect: -T small.txt {url}/files/",
    "chunked": "cat small.txt | curl -v -H Expect: -T - {url}/files/from-a-pipe.txt",
    "expect": "curl -v -H 'Expect: 100-continue' -T small.txt {url}/files/",
    "expect-refused": "curl -v -H 'Expect: 100-continue' -T small.txt {url}/files/nameless",
    "too-large": "curl -v -H 'Expect: 100-continue' -T large.bin {url}/files/",
    "form": "curl -v -F title=Us -F 'photo=@small.txt;type=image/png' {url}/form",
    "json": "curl -v --data-binary @list.json -H 'Content-Type: application/json' {url}/echo",
    "cookies": "curl -v -L -c jar -b jar {url}/login",
    "not-found": "curl -v {url}/nowhere",
    "not-allowed": "curl -v -X DELETE {url}/hello/curl",
    "options": "curl -v -X OPTIONS {url}/files/a.txt",
    "bad-json": "curl -v -H 'Accept: application/problem+json' -d '[1, 2' {url}/echo",
    "header-too-large": "curl -s -o /dev/null -w '%{{http_code}}\\n' -H @nine-kilobytes {url}/page",
    "tls": "curl -v --cacert authority.pem {tls}/secure",
    "plain-to-tls": "curl -v {plain_to_tls}/secure",
    "unix": "curl -v --unix-socket app.sock http://localhost/hello/curl",
}
"""Commands by the name of their marker, as they are typed in the folder that `servers` fills."""


@dataclass(frozen=True)
class Place:
    """Two servers of one app, and a folder with the files that the commands name."""

    folder: Path
    port: int
    """Where plain HTTP is spoken, as on the unix socket app.sock."""
    tls_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls(self) -> str:
        return f"https://localhost:{self.tls_port}"


def page_app() -> App:
    """Return the app that the page shows."""
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, App] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names["app"]


@contextmanager
def servers(backend: str, app: App) -> Generator[Place]:
    """Serve the app on that backend: plain, on a unix socket, and over TLS."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        _fill(folder)
        plain = ServerConfig(bind=("127.0.0.1:0", f"unix:{folder / 'app.sock'}"))
        secure = ServerConfig(port=0, ssl_certfile=str(folder / "server.pem"))
        ports = []
        for config in (plain, secure):
            server = Server(app, config, backend, date=lambda: DATE)
            stack.callback(server.wait, 10)
            stack.callback(server.shutdown, 1)
            server.start().wait_ready()
            ports.append(server.addresses[0][1])
        yield Place(folder, *ports)


def curl(place: Place, command: str) -> str:
    """Run a command in the place's folder; return what it showed, both outputs in their order."""
    done = subprocess.run(
        # -q: no ~/.curlrc is read. --stderr -: one stream, so that the order is kept.
        ["sh", "-c", command.replace("curl ", "curl -q -sS --max-time 20 --stderr - ", 1)],
        cwd=place.folder,
        capture_output=True,
        check=False,
    )
    return (done.stdout + done.stderr).decode("utf-8")


def transcript(place: Place, name: str) -> str:
    """Return one conversation, as the page shows it."""
    plain_to_tls = f"http://localhost:{place.tls_port}"
    command = TRANSCRIPTS[name].format(url=place.url, tls=place.tls, plain_to_tls=plain_to_tls)
    return _fixed(f"$ {command}\n{curl(place, command)}", place)


def block(place: Place, name: str) -> str:
    """Return one conversation as a block of the page."""
    return f"```console\n{transcript(place, name)}\n```"


def _fill(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    (folder / "small.txt").write_text("no more than this\n", encoding="ascii")
    (folder / "list.json").write_text("[1, 2, 3]", encoding="ascii")
    (folder / "large.bin").write_bytes(bytes(10_000_000))
    (folder / "nine-kilobytes").write_text("X-Long: " + 9_000 * "x", encoding="ascii")
    (folder / "jar").touch()


_FIXED = [
    (r"User-Agent: curl/[\d.]+", "User-Agent: curl"),
    (r"-{24}\w+", "-" * 24 + "boundary"),
    # Its length is that of the boundary, which grew in curl 8.
    (r"(Content-Length: )\d+(?=\nContent-Type: multipart|\n> Content-Type: multipart)", r"\1..."),
    (r"\* Re-using existing connection[^\n]*", "+ the same connection"),
    (r"\* Closing connection[^\n]*", "+ the connection is closed"),
    (r"\* Connection #\d+ to host [^\n]* left intact", ""),
    (r"(?m)^[{}] \[\d+ bytes data\]\n", ""),
    (r"(?m)^\*[^\n]*\n", ""),
    (r"(?m)[ \t]+$", ""),
    # The empty line behind an interim response, which only some versions show.
    (r"(?m)^(< HTTP/1\.1 1\d\d [^\n]*\n(?:< (?!HTTP/).+\n)*)(?:<\n)?", r"\1<\n"),
    # What a body without a line end is followed by stands in its line.
    (r"(?<=.)\+ the", "\n* the"),
    (r"(?m)^\+ the", "* the"),
    (r"\n{3,}", "\n\n"),
]


def _fixed(text: str, place: Place) -> str:
    """Replace what differs from run to run, and leave out curl's own remarks."""
    text = text.replace("\r\n", "\n").replace("\r", "")
    text = text.replace(f":{place.port}", ":8000").replace(f":{place.tls_port}", ":8443")
    for pattern, replacement in _FIXED:
        text = re.sub(pattern, replacement, text)
    return text.rstrip("\n")


if __name__ == "__main__":
    with servers("asyncio", page_app()) as here:
        draw("curl.md", {name: partial(block, here, name) for name in TRANSCRIPTS})
