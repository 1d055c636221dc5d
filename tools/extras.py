"""Show that each extra brings what its parts need, and that its absence is told.

`python -m tools.extras` installs the wheel into an environment of its own, with nothing but what it
depends on. There the first program of the README has to pass its test and is served. Each program
below has to end with the error that says what to install, and with that extra, and no other, it has
to work. Needs PyPI.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from tools.stages import ROOT
from tools.verify_types import installed

BEGIN = """
from anylane import App, Context
from anylane.testing import TestClient
app = App()

@app.get("/")
async def home(ctx: Context) -> str:
    return "text " * 500
"""

ON_A_LANE = """
app.get("/x")(lambda ctx: "x")
with TestClient(app, backend="{name}") as client:
    assert client.get("/x").text == "x"
"""

PROGRAMS: Mapping[str, str] = {
    **{name: ON_A_LANE.format(name=name) for name in ("uvloop", "anyio", "trio", "curio")},
    "autobahn": """
import os, sys
from anylane_conformance.autobahn import main
code = main(["--backend", "asyncio", "1.1.1"])
sys.stdout.flush()
os._exit(code)  # As the module itself does: kosoku may abort while the interpreter is taken down.
""",
    "compression": """
from anylane.middleware import Compression
app.use(Compression(codings=["br", "zstd"]))
answer = TestClient(app).get("/", headers={"accept-encoding": "br"})
assert answer.headers["content-encoding"] == "br"
""",
    "docs": """
app.openapi(title="Things", version="1")
client = TestClient(app)
assert "<title>Things</title>" in client.get("/docs").text
assert client.get("/docs/swagger-ui-bundle.js").status == 200
""",
    "conformance": """
import sys
from anylane_conformance.__main__ import main
sys.exit(main(["--backend", "threads", "-q", "-k", "what_no_loop_knows"]))
""",
    "env": """
import os, pathlib, tempfile
from anylane_backends.hosting.cli.env_file import load_env_file
file = pathlib.Path(tempfile.mkdtemp(), "production.env")
file.write_text("ANYLANE_PORT=9000")
load_env_file(str(file))
assert os.environ["ANYLANE_PORT"] == "9000"
""",
    "forms": """
@app.post("/form")
async def form(ctx: Context) -> str:
    return (await ctx.request.form())["name"]
client = TestClient(app)
answer = client.post("/form", data={"name": "n"}, files={"file": ("f", b"x")})
assert answer.text == "n", client.log
""",
    "health": """
from anylane.contrib import Health
app.use(Health())
assert TestClient(app).get("/health").json()["memory"]
""",
    "jwt": """
from anylane.contrib import JWKSFile
from anylane.middleware import JWTAuth
key = "k" * 32
app.use(JWTAuth(key))
import jwt
token = jwt.encode({"sub": "ada"}, key, algorithm="HS256")
assert TestClient(app).get("/").status == 401
assert TestClient(app).get("/", headers={"authorization": f"Bearer {token}"}).status == 200
""",
    "metrics": """
from anylane.contrib import Metrics
app.use(Metrics())
assert "anylane_requests" in TestClient(app).get("/metrics").text
""",
    "nats": """
from anylane_backends.bridges import NatsBridge
bridge = NatsBridge("nats://127.0.0.1:1", timeout=0.2)
app.lifespan(bridge)
with TestClient(app) as client, bridge.room("chat").subscribe() as subscription:
    assert client.get("/").status == 200
    assert bridge.room("chat").send("alone") == len(subscription) == 1
    assert not bridge.connected
""",
    "otel": """
from anylane.contrib import OpenTelemetry
app.use(OpenTelemetry())
from opentelemetry import baggage
@app.get("/who")
async def who(ctx: Context) -> str:
    return str(baggage.get_baggage("who"))
assert TestClient(app).get("/who", headers={"baggage": "who=ada"}).text == "ada"
""",
    "orjson": """
import orjson
from anylane import json
assert json.loads(b"[1]") == [1]
assert TestClient(app).get("/").status == 200
""",
    "speed": """
import websockets
from anylane.protocol.websocket.masking import apply_mask
assert apply_mask() is not None
@app.websocket("/echo")
async def echo(ctx):
    ws = await ctx.accept()
    async for message in ws:
        await ws.send(message)
with TestClient(app).websocket("/echo") as ws:
    ws.send("x" * 1000)
    assert ws.receive() == "x" * 1000
""",
    "pydantic": """
import pydantic
class Model(pydantic.BaseModel):
    name: str
@app.post("/model")
async def model(value: Model) -> Model:
    return value
assert TestClient(app).post("/model", json={"name": "n"}).json() == {"name": "n"}
""",
    "reload": """
import subprocess, sys
command = [sys.executable, "-m", "anylane", "run", "main:app", "--reload", "--reload-dir", "/none"]
said = subprocess.run(command, capture_output=True, text=True).stderr
assert "'/none': there is no such folder" in said, said
""",
    "schema": """
app.openapi(title="Things", version="1", docs=None)
assert TestClient(app, check_schema=True).get("/").status == 200
""",
    "sessions": """
from anylane.middleware import Sessions
app.use(Sessions("s" * 32))
@app.get("/count")
async def count(ctx: Context) -> int:
    ctx.session["n"] = ctx.session.get("n", 0) + 1
    return ctx.session["n"]
client = TestClient(app)
assert [client.get("/count").json(), client.get("/count").json()] == [1, 2]
""",
    "templates": """
import pathlib, tempfile
from anylane.contrib import Templates
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "page.html").write_text("<p>{{ name }}</p>")
templates = Templates(folder)
@app.get("/page")
async def page(ctx: Context):
    return templates.render(ctx, "page.html", name="<n>")
assert TestClient(app).get("/page").text == "<p>&lt;n&gt;</p>"
""",
    "typed": """
import dataclasses
@dataclasses.dataclass
class Value:
    name: str
@app.post("/value")
async def value(given: Value) -> Value:
    return given
assert TestClient(app).post("/value", json={"name": "n"}).json() == {"name": "n"}
""",
    "valkey": """
from anylane.middleware import RateLimit
from anylane_backends.bridges import ValkeyBridge
bridge = ValkeyBridge("valkey://127.0.0.1:1", timeout=0.2)
app.lifespan(bridge)
app.use(RateLimit("10/minute", store=bridge.rate_store(when_away="refuse")))
with TestClient(app) as client:
    assert client.get("/").status == 503
    assert not bridge.connected
""",
}
"""What is tried with each extra. Without it, it ends with the error that names the extra."""

ALONE = """
from anylane.contrib import FileResponse, StaticFiles
from anylane.middleware import *
for part in (
    AccessLog(), BasicAuth(lambda name, password: name), BearerAuth(lambda token: token),
    CORS(["https://example.com"]), CSRF(), Compression(), ETags(), RateLimit("10/minute"),
    RequestId(), SecurityHeaders(csp=CSP(default_src="'self'")), ServerTiming(),
    TrustedHosts(["testserver"]),
):
    app.use(part)
HTTPSRedirect(), MemoryStore(), FileResponse("page.html"), PartDocumentation()
app.mount("/files", StaticFiles("."))
answer = TestClient(app).get("/", headers={"accept-encoding": "zstd, br, gzip"})
assert answer.status == 401
app = App()
app.use(Compression())
app.get("/")(home)
answer = TestClient(app).get("/", headers={"accept-encoding": "zstd, br, gzip"})
assert answer.headers["content-encoding"] == "gzip"
"""
"""What needs no extra. zlib is the floor of Compression."""

BY_OTHERS = frozenset({"orjson", "pydantic", "speed"})
"""Extras whose program imports the library itself: without it that import fails."""


def run(python: Path, program: str, folder: Path | None = None) -> tuple[int, str]:
    """Run a program in the environment; return its status and what it has said."""
    done = subprocess.run(
        [python, "-c", BEGIN + program],
        env={**os.environ, "PYTHONPATH": "" if folder is None else str(folder)},
        cwd=python.parent,  # where no sources are found
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def first_page(python: Path, folder: Path) -> str:
    """Serve the first program of the README and run its test; return what is wrong."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    program, test = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    folder.mkdir()
    (folder / "main.py").write_text(program, encoding="utf-8")
    (folder / "test.py").write_text(f"from main import app\n{test}", encoding="utf-8")
    done = subprocess.run(
        [python, "test.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"the README's test: {done.stderr}"
    for backend in ("asyncio", "threads"):
        with subprocess.Popen(
            [python.parent / "anylane", "run", "main:app", "--port", "0", "--backend", backend],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert server.stdout is not None
            line = server.stdout.readline()
            try:
                url = re.search(r"http://\S+:\d+", line)
                if url is None:
                    return f"the README's program is not served on {backend}: {line}"
                with urlopen(f"{url[0]}/users/7?name=Grace", timeout=10) as answer:
                    body = answer.read()
            finally:
                server.terminate()
        if body != b'{"id":7,"name":"Grace"}':
            return f"the README's program answers on {backend}: {body!r}"
    return ""


def install(requirements: list[str], folder: Path) -> None:
    """Install requirements, and what they need, into a folder."""
    # pip would download and unpack again what several extras bring.
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    subprocess.run([*uv, "--target", folder, *requirements], check=True)


def requirements_of(extra: str, extras: Mapping[str, list[str]]) -> list[str]:
    """Return what an extra requires. What it takes from other extras of ours is what those require:
    there may be no release yet that has them."""
    found: list[str] = []
    for each in extras[extra]:
        if names := re.fullmatch(r"anylane\[(.*)\]", each):
            for name in names[1].split(","):
                found += requirements_of(name, extras)
        else:
            found.append(each)
    return found


def problem(python: Path, extra: str, folder: Path) -> str:
    """Return what is wrong with an extra; nothing if it does what it should."""
    status, said = run(python, PROGRAMS[extra])
    if status == 0:
        return "its program works without it"
    if extra not in BY_OTHERS and f"anylane[{extra}]" not in said:
        return f"its absence is not told: {said}"
    status, said = run(python, PROGRAMS[extra], folder)
    return "" if status == 0 else f"it is not enough: {said}"


def main() -> int:
    """Print what became of each extra; return 0 if all do what they should, else 1."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = installed(folder, libraries=False) / "python"
        install(project["dependencies"], folder / "base")
        site = next(python.parents[1].glob("lib/python*/site-packages"))
        (site / "base.pth").write_text(f"{folder / 'base'}\n", encoding="utf-8")
        status, said = run(python, ALONE)
        found = {"no extra": "" if status == 0 else said}
        found["no extra, the README's program"] = first_page(python, folder / "first page")
        extras = project["optional-dependencies"]
        for extra in PROGRAMS:
            install(requirements_of(extra, extras), folder / extra)
            found[extra] = problem(python, extra, folder / extra)
    for extra, wrong in found.items():
        print(f"{extra}: {wrong or 'fine'}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
