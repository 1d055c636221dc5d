"""Operations: one method of one route, described."""

from __future__ import annotations

from typing import Any

from anylane.callables import called
from anylane.openapi.bodies import request_body
from anylane.openapi.docstrings import summary_and_description
from anylane.openapi.handler_answers import answers_of
from anylane.openapi.joining import joined_responses
from anylane.openapi.operation_ids import OperationIds
from anylane.openapi.operation_parameters import described_parameters, typed_parameters
from anylane.openapi.refusals import refusals_of
from anylane.openapi.schemas import Schemas
from anylane.openapi.security_schemes import SecuritySchemes
from anylane.openapi.shared_responses import SharedResponses
from anylane.routing.route import Route


class Operations:
    """Describes operations, and collects what they share. ids: those of the document."""

    def __init__(self, ids: OperationIds) -> None:
        self._ids = ids
        self.schemas: Schemas = Schemas()
        self.shared: SharedResponses = SharedResponses()
        self.security: SecuritySchemes = SecuritySchemes()

    def of(self, route: Route, method: str, template: str) -> dict[str, Any]:
        """Return the Operation Object of a method of a route (OpenAPI 3.1 §4.8.10)."""
        said = route.documentation
        summary, description = summary_and_description(called(route.handler).__doc__)
        typed = typed_parameters(route)
        parameters = described_parameters(route, typed)
        body = request_body(typed, self.schemas, route.where)
        security = self.security.of(route, method)
        answers = answers_of(route, self.schemas)
        if route.websocket:
            answers = {status: each for status, each in answers.items() if status in said.responses}
            answers[101] = {"description": "The WebSocket is open (RFC 6455 §4.2.2)."}
        responses = dict(answers)
        for status, refusal in refusals_of(route, method, typed).items():
            known = answers.get(status)
            responses[status] = (
                self.shared.of(status, refusal)
                if known is None
                else joined_responses(known, refusal)
            )
        found: dict[str, Any] = {
            "operationId": self._ids.of(route, method, template),
            "summary": said.summary or (summary and summary.removesuffix(".")),
            "description": said.description or description,
            "tags": list(said.tags),
            "deprecated": said.deprecated,
            "parameters": parameters,
            "requestBody": body,
            "responses": {str(status): responses[status] for status in sorted(responses)},
            "security": security,
            "servers": None if route.host is None else [_server(route.host)],
            "x-websocket": {"subprotocols": list(route.subprotocols)} if route.websocket else None,
        }
        return {name: value for name, value in found.items() if value or name == "responses"}


def _server(host: str) -> dict[str, Any]:
    """Return the server of a route that answers for one host: with the scheme of the document."""
    if not host.startswith("*."):
        return {"url": f"//{host}"}
    return {"url": f"//{{name}}{host[1:]}", "variables": {"name": {"default": "www"}}}
