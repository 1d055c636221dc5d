"""Files as curl and httpx get them, over real sockets."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from anylane import App, Server, ServerConfig
from anylane.contrib import StaticFiles

LARGE = bytes(range(256)) * 8000

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of some files, on asyncio."""
    folder = tmp_path_factory.mktemp("public")
    (folder / "letters.txt").write_text("abcdefghijklmnopqrstuvwxyz")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "app.js").write_text("the file as it is")
    (folder / "app.js.gz").write_bytes(gzip.compress(b"the file, compressed"))
    (folder / "docs").mkdir()
    (folder / "docs" / "index.html").write_text("<h1>docs</h1>")
    app = App()
    app.mount("/static", StaticFiles(folder))
    server = Server(app, ServerConfig(port=0), backend="asyncio")
    server.start().wait_ready(10)
    host, port = server.addresses[0][:2]
    yield f"http://{host}:{port}/static"
    server.shutdown(grace=0)
    server.wait(10)


def curl(*arguments: str) -> bytes:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--max-time", "20", *arguments],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_curl
def test_curl_gets_ranges(url: str) -> None:
    assert curl("-r", "0-3", f"{url}/letters.txt") == b"abcd"
    assert curl("-r", "-3", f"{url}/letters.txt") == b"xyz"
    parts = curl("-r", "0-1,24-25", f"{url}/letters.txt")
    assert parts.count(b"content-range: bytes") == 2
    assert b"\r\n\r\nab\r\n" in parts
    assert curl("-r", "1000000-1999999", f"{url}/large.bin") == LARGE[1_000_000:2_000_000]


@needs_curl
def test_curl_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    begun = tmp_path / "large.bin"
    begun.write_bytes(LARGE[:700_000])
    curl("-C", "-", "-o", str(begun), f"{url}/large.bin")
    assert begun.read_bytes() == LARGE


@needs_curl
def test_curl_decompresses_what_was_compressed_in_advance(url: str) -> None:
    assert curl("--compressed", f"{url}/app.js") == b"the file, compressed"
    assert curl(f"{url}/app.js") == b"the file as it is"


@needs_curl
def test_curl_keeps_what_has_not_changed(url: str, tmp_path: Path) -> None:
    tags, file = str(tmp_path / "tags"), tmp_path / "letters.txt"
    curl("--remote-time", "--etag-save", tags, "-o", str(file), f"{url}/letters.txt")
    status = ("-o", "/dev/null", "-w", "%{http_code} %{size_download}")
    assert curl(*status, "--etag-compare", tags, f"{url}/letters.txt") == b"304 0"
    assert curl(*status, "-z", str(file), f"{url}/letters.txt") == b"304 0"


@needs_curl
def test_curl_asks_for_the_head_and_follows_to_the_index(url: str) -> None:
    assert b"content-length: %d\r\n" % len(LARGE) in curl("--head", f"{url}/large.bin")
    assert curl("--location", f"{url}/docs") == b"<h1>docs</h1>"
    assert b"passwd" not in curl("--path-as-is", f"{url}/letters.txt")
    for path in ("../../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"):
        status = curl(
            "--no-fail", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/{path}"
        )
        assert status == b"404"


def test_httpx_gets_whole_files_ranges_and_conditions(url: str) -> None:
    with httpx.Client() as client:
        whole = client.get(f"{url}/large.bin")
        assert whole.content == LARGE
        etag = whole.headers["etag"]
        assert client.get(f"{url}/large.bin", headers={"if-none-match": etag}).status_code == 304
        part = client.get(f"{url}/large.bin", headers={"range": "bytes=5-9", "if-range": etag})
        assert (part.status_code, part.content) == (206, LARGE[5:10])
        assert client.get(f"{url}/app.js").text == "the file, compressed"
        assert client.get(f"{url}/docs", follow_redirects=True).text == "<h1>docs</h1>"
        with client.stream("GET", f"{url}/large.bin") as left:
            assert len(next(left.iter_raw())) > 0
        assert client.get(f"{url}/letters.txt").text[:3] == "abc"
