"""Verdicts: who is right where the frameworks differ, and why."""

from __future__ import annotations

from dataclasses import dataclass

A, F, L = "anylane", "FastAPI", "Litestar"


@dataclass(frozen=True)
class Verdict:
    """What is right of one difference."""

    right: tuple[str, ...]
    why: str


def only(*right: str, why: str) -> Verdict:
    return Verdict(right, why)


DIGITS = only(
    A,
    why="an integer has ASCII digits, as in the schema that a client reads; two spellings of one "
    "value make two cache keys and pass a filter in front that knows one of them",
)
NAN = only(
    A,
    why="NaN and infinity are no numbers of JSON (RFC 8259 §6), so no answer can return them, and "
    "every comparison with NaN is false: it passes `if price > limit: refuse`",
)
STRICT = only(
    A,
    why="JSON has types: a client that sends another than the schema names has a mistake, "
    "which is "
    "told and not hidden",
)
SECONDS = only(
    A,
    why="the schema says `date-time`, which is RFC 3339; a bare number may be seconds or "
    "milliseconds, and is guessed",
)
FIRST = only(
    A, F, why="Litestar names the first fault alone: a client corrects one value for each request"
)
NAMES = only(A, F, why="Litestar names the parameter of the Python function, which no client knows")
ITEMS = only(
    A,
    F,
    L,
    why="FastAPI adds the number of the item, which a query does not have; anylane and "
    "Litestar name "
    "the parameter, and anylane shows the wrong text beside it",
)
NO_JSON = only(
    A,
    L,
    why="what is no JSON cannot be read: 400 (RFC 9110 §15.5.1); 422 is for what can (§15.5.21)",
)
EMPTY = only(
    A, L, why="no text is no JSON text (RFC 8259 §2), so 400; anylane says that the body is empty"
)
MEDIA = only(
    A,
    why="415 is the status for a media type that is not accepted (RFC 9110 §15.5.16); "
    "Litestar reads "
    "any as JSON, so that a page of another site can send it without a preflight",
)
I_JSON = only(
    A, L, why="half of a surrogate pair is no character (RFC 7493 §2.1), and breaks what stores it"
)
FILTER = only(
    A, F, why="what goes out has the fields of the annotation: Litestar sends a password's hash"
)

VERDICTS: dict[str, Verdict] = {
    "The path: no integer": only(
        A,
        F,
        L,
        why="a plain `{value}` matches any text, so it is a wrong value; Litestar has no "
        "plain ones, "
        "and its converter does not match: 404, as in the other two with a converter",
    ),
    "The path: of 700 digits": only(
        A,
        F,
        L,
        why="a bound is needed, for the time grows with the square; anylane has 640 digits, "
        "which every "
        "Python reads whatever its settings, and the other two Python's 4,300",
    ),
    "The path: with a plus sign": DIGITS,
    "The path: with an underscore": DIGITS,
    "The path: in Arabic digits": DIGITS,
    "The path: written as 7.0": DIGITS,
    "The path: a text with a space and %2F": only(
        A,
        why="`%2F` is data and no separator (RFC 3986 §2.2); the other two see the path "
        "decoded, as "
        "ASGI gives it, and split it again",
    ),
    "The path: invalid UTF-8": only(
        A, why="a path that is no UTF-8 names nothing; U+FFFD makes one name of many"
    ),
    "The path: NaN": NAN,
    "The path: a UUID without hyphens": only(
        A, why="one spelling (RFC 9562 §4): two make two cache keys for one thing"
    ),
    "The path: a tail": only(A, F, why="the slash in front belongs to the pattern"),
    "The path: a trailing slash": only(
        A,
        F,
        L,
        why="RFC 3986 §6.2.3 leaves it to the owner; for anylane it is another path: a "
        "redirect costs a "
        "request, and two paths for one thing make two cache keys",
    ),
    "The query: 1.0 for an integer": DIGITS,
    "The query: 1_0 for an integer": DIGITS,
    "The query: an integer with spaces": only(A, L, why="spaces are no digits"),
    "The query: `+7`, which is a space": only(
        A, L, why="`+` is a space in a query (URL standard §5.1), and spaces are no digits"
    ),
    "The query: `%2B7`": only(A, L, why=DIGITS.why),
    "The query: twice where one is expected": only(
        A,
        F,
        L,
        why="no standard says; anylane takes the first, as `URLSearchParams.get` does (URL "
        "standard "
        "§6.2), and as all three do with headers",
    ),
    "The query: NaN": NAN,
    "The query: infinity": NAN,
    "The query: 1e999": only(A, L, why=NAN.why),
    "The query: `ON`": only(A, F, why="`on` is what a ticked box of a form sends (HTML standard)"),
    "The query: `t`": only(A, L, why="a short list of words, which is documented"),
    "The query: a UUID in braces": only(A, L, why="one spelling (RFC 9562 §4)"),
    "The query: seconds since 1970 for a moment": SECONDS,
    "The query: a moment for a date": only(A, L, why="a time is cut off that the client has sent"),
    "The query: a time": only(A, F, why="`12:30` is what a time field of a form sends"),
    "The query: a number for a duration": only(A, F, why="the schema says `duration`, ISO 8601"),
    "The query: NaN for a decimal number": only(A, F, why="it is no number; `<` with it raises"),
    "The query: 1e999999999 for a decimal number": only(
        A, why="`int()` of it takes all memory; anylane takes exponents of four digits"
    ),
    "The query: `null` for an optional one": only(
        A,
        F,
        why="a query has no null; `null` is a text, and a missing name is what None stands for",
    ),
    "The query: a union, as its narrower type": only(
        A,
        why="with `int | str` a text of digits is the int; otherwise the int could never be given",
    ),
    "The query: a list with commas": ITEMS,
    "The query: a list with a wrong item": ITEMS,
    "The query: a tuple of a wrong length": ITEMS,
    "The query: a text that ends in a line feed": only(
        A,
        F,
        why="`$` is the end of the text (ECMA-262, which JSON Schema names); Python's own `$` "
        "is in "
        "front of a last line feed, too",
    ),
    "The query: several faults at once": FIRST,
    "The query: a wrong header beside a right query": NAMES,
    "Headers and cookies: no integer": NAMES,
    "Headers and cookies: a list of two lines": only(
        A, F, why="several lines of one name are a list (RFC 9110 §5.3)"
    ),
    "Headers and cookies: a list in one line": only(
        A,
        why="a list in one line means what it means in several (RFC 9110 §5.3): whoever "
        "passes it on "
        "may combine them",
    ),
    'Bodies: `"1"` for an integer': STRICT,
    "Bodies: `1.0` for an integer": only(
        A,
        F,
        L,
        why="JSON Schema counts 1.0 among the integers (validation 2020-12 §6.1.1); the "
        "strict modes of "
        "msgspec and pydantic, which anylane uses, do not, because above 2**53 it is another "
        "integer "
        "than was meant",
    ),
    "Bodies: `true` for an integer": only(A, L, why=STRICT.why),
    'Bodies: `"1.5"` for a float': STRICT,
    "Bodies: 1e999 for a float": only(A, L, why=NAN.why),
    "Bodies: NaN for a float": only(A, L, why="it is no JSON (RFC 8259 §6)"),
    "Bodies: several faults at once": FIRST,
    "Bodies: broken JSON": NO_JSON,
    "Bodies: JSON and more behind it": NO_JSON,
    "Bodies: no body": EMPTY,
    "Bodies: an empty body": EMPTY,
    "Bodies: no media type": only(
        A,
        why="a page of another site can send it without a preflight (a Blob without a type), "
        "which "
        "FastAPI refuses, too, but says that the body is no object",
    ),
    "Bodies: text/plain": MEDIA,
    "Bodies: a form": MEDIA,
    "Bodies: a byte order mark": only(
        A, L, why="a sender MUST NOT add one (RFC 8259 §8.1), and parsers differ about it"
    ),
    "Bodies: UTF-16": only(A, L, why="JSON between systems is UTF-8 (RFC 8259 §8.1)"),
    "Bodies: half of a surrogate pair": I_JSON,
    "Bodies: a wrong TypedDict": STRICT,
    "Bodies: a Struct": only(A, L, why="FastAPI knows pydantic's types alone"),
    'Bodies: `"36"` for an integer of pydantic': STRICT,
    "Bodies: faults in nested ones": FIRST,
    "Bodies: a wrong list of models": only(
        A, F, why="Litestar does not say which of the items it was"
    ),
    "Bodies: a moment without seconds": only(
        A, L, why="RFC 3339 §5.6 has them; a query may leave them out, as forms do"
    ),
    "Bodies: seconds since 1970": SECONDS,
    "Bodies: a number for a decimal number": only(
        A, why="the digits as they were sent; the other two go by a float, which loses some"
    ),
    "Bodies: a decimal number of exponent 999999999": only(
        A, why="`int()` of it takes all memory, and the query refuses it, too"
    ),
    'Bodies: `"true"` for a bool': STRICT,
    "Bodies: `1` for a bool": STRICT,
    "Bodies: 2,000 arrays in each other": only(A, F, why="a client's mistake is no 500"),
    "Bodies: a wrong password": only(
        A, L, why="FastAPI sends back what was typed, and answers end in logs"
    ),
    "Bodies: faults in all of them": FIRST,
    "Forms and files: one value of a list": only(
        A, F, why="a form with one ticked box sends one value; Litestar takes it for no list"
    ),
    "Forms and files: an empty text": only(
        A,
        L,
        why="an empty field is sent (HTML standard, form submission): it is a text of length 0",
    ),
    "Forms and files: JSON for a form": only(A, why="415 (RFC 9110 §15.5.16)"),
    "Forms and files: no boundary": only(
        A, F, why="it cannot be read: 400; Litestar says that the file is missing"
    ),
    "Dependencies: faults of the handler and of dependencies": only(
        A,
        why="a request with faults opens nothing: the other two have opened a session for it, and "
        "Litestar has named one fault of three",
    ),
    "Answers: a subclass with one more field": FILTER,
    "Answers: a subclass in a list": FILTER,
    "Answers: a dict with one more field": FILTER,
    "Answers: a field is missing": only(
        A, F, why="an answer that is not what its schema says is the server's mistake: 500"
    ),
    "Answers: None where it is allowed": only(
        A,
        F,
        L,
        why="204 says that there is nothing (RFC 9110 §15.3.5), `null` says it in JSON; "
        "anylane does "
        "so for every handler that returns None",
    ),
    "Answers: NaN": only(
        A, why="JSON has no NaN (RFC 8259 §6); null would be another value, and nobody would know"
    ),
    "Answers: a moment, a duration, a decimal number, an Enum": only(
        A, F, L, why="two spellings of one duration (ISO 8601)"
    ),
    "Methods: HEAD of a GET route": only(
        A, why="all general-purpose servers MUST support GET and HEAD (RFC 9110 §9.1)"
    ),
    "Methods: OPTIONS": only(A, L, why="it asks what is allowed (RFC 9110 §9.3.7)"),
}
