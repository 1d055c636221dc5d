"""Descriptions: the OpenAPI document of an app and the page that shows it."""

from __future__ import annotations

import json

from anylane_conformance.cases import case
from anylane_conformance.contract.parts.description import describe_things
from anylane_conformance.harness.conversation import Conversation

CHAPTER = "19 typed handlers"


@case(CHAPTER, extra=describe_things, cuts=False)
def the_description_is_served(conversation: Conversation) -> None:
    """An app answers with its OpenAPI description; a client that has it gets 304 (RFC 9110
    §13.1.2)."""
    peer = conversation.helper()
    answer = peer.ask("/described/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = json.loads(answer.body)
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": "/described"}]
    assert list(document["paths"]) == ["/things/{id}"]
    again = peer.ask("/described/openapi.json", f"If-None-Match: {answer.headers['etag']}")
    assert (again.status, again.body) == (304, b"")
    peer.get("/described/openapi.json", method="HEAD")
    head = peer.answer(to_head=True)
    assert head.headers["content-length"] == str(len(answer.body))
    assert json.loads(conversation.connect().ask("/described/things/7").body) == {
        "id": 7,
        "verbose": False,
    }


@case(CHAPTER, extra=describe_things, cuts=False)
def the_docs_page_is_served(conversation: Conversation) -> None:
    """The page of a description and all that it loads come from the app, with a policy that lets
    nothing else in (CSP Level 3)."""
    peer, helper = conversation.connect(), conversation.helper()
    page = peer.ask("/described/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    size = 0
    for name in ("page.css", "page.js", "swagger-ui.css", "swagger-ui-bundle.js"):
        assert f'"./docs/{name}"'.encode() in page.body
        # What is not ours differs from version to version.
        asker = peer if name.startswith("page.") else helper
        file = asker.ask(f"/described/docs/{name}")
        kind = "css" if name.endswith(".css") else "javascript"
        assert (file.status, file.headers["content-type"]) == (200, f"text/{kind}; charset=utf-8")
        again = asker.ask(f"/described/docs/{name}", f"If-None-Match: {file.headers['etag']}")
        assert (again.status, again.body) == (304, b"")
        size += len(file.body)
    assert size > 1_000_000
