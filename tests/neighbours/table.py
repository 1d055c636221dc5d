"""The table of requests to the small service. It needs no library."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


_BOUNDARY = "ten-hosts"
_UPLOAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n'
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n'
    f"Content-Type: text/plain\r\n\r\nin the file\r\n--{_BOUNDARY}--\r\n"
).encode()

REQUESTS = {
    "seen": Ask("GET", "/seen?q=a%20b&r=%C3%A4", headers={"cookie": "c=1; d=2"}),
    "escaped path": Ask("GET", "/seen%20not"),
    "head": Ask("HEAD", "/seen"),
    "json": Ask("POST", "/json", json.dumps({"a": [1, "ä"]}).encode(),
                {"content-type": "application/json"}),
    "broken json": Ask("POST", "/json", b"{", {"content-type": "application/json"}),
    "form": Ask("POST", "/form", b"a=1+2&b=%C3%A4",
                {"content-type": "application/x-www-form-urlencoded"}),
    "upload": Ask("POST", "/form", _UPLOAD,
                  {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}),
    "large body": Ask("POST", "/echo", b"x" * 1_000_000,
                      {"content-type": "application/octet-stream"}),
    "stream": Ask("GET", "/stream"),
    "events": Ask("GET", "/events"),
    "cookies": Ask("GET", "/cookies"),
    "fails": Ask("GET", "/fails"),
    "gone": Ask("GET", "/gone/7"),
    "unprocessable": Ask("GET", "/gone/seven"),
    "nowhere": Ask("GET", "/nowhere"),
    "options": Ask("OPTIONS", "/seen"),
    "delete": Ask("DELETE", "/seen"),
}  # fmt: skip
