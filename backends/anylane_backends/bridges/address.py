"""BrokerAddress: where a broker is, and how the log shows it: without what is secret."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from anylane.errors import UsageError


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A URL of a broker, taken apart.

    shown: the URL without its user, password and query, for logs and `repr`.
    """

    url: str = field(repr=False)
    shown: str
    scheme: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, url: object, schemes: Collection[str], *secrets: str | None) -> BrokerAddress:
        """Return the address of a URL.

        secrets: what else must never be shown, such as a token. Raise UsageError for what is no URL
        with one of these schemes; the message has nothing secret.
        """
        expected = f"expected a URL that begins with {' or '.join(f'{s}://' for s in schemes)}"
        if not isinstance(url, str):
            raise UsageError(f"the URL of a bridge is a {type(url).__name__}; {expected}")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise UsageError(
                f"the URL of a bridge has a host or port that cannot be read; {expected}"
            ) from None
        if parts.scheme not in schemes:
            raise UsageError(f"the URL of a bridge begins with {parts.scheme!r}; {expected}")
        if not parts.hostname and not (parts.scheme == "unix" and parts.path):
            raise UsageError(f"the URL of a bridge names no host; {expected}")
        host = parts.hostname or ""
        place = f"[{host}]" if ":" in host else host
        if port is not None:
            place += f":{port}"
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        hidden = {parts.password, password, *secrets, *(() if password else (user,))}
        hidden.update(value for _, value in parse_qsl(parts.query))
        return cls(
            url,
            f"{parts.scheme}://{place}{parts.path}",
            parts.scheme,
            user,
            password,
            tuple(sorted((each for each in hidden if each), key=len, reverse=True)),
        )

    def hidden(self, text: str) -> str:
        """Return a text of a library's with *** in the place of each secret."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text
