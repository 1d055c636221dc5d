"""The docstrings of the code as reStructuredText: plain text stays plain text.

They are written to be read in the source and by pydoc, so no character in them is markup but
backticks and `*name*`. Their shapes: paragraphs, blocks that are indented by four (code), lists
with `* `, and parameters: a paragraph that begins with `name: `, or several in one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from textwrap import dedent

FOR_THE_FRAMEWORK = "For the framework"
"""A paragraph that begins so is for readers of the code, and is left out."""

NAMES = r"\*{0,2}[a-z_]\w*(?:, \*{0,2}[a-z_]\w*)*"
PARAMETER = re.compile(rf"({NAMES}): (?=\S)")
NEXT_PARAMETER = re.compile(rf"(?<=[.;] )(?={NAMES}: [\w(`'\"])")
RAISES = re.compile(r"(?<=\. )(?=Raises? )")
INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|(?<![\w*])\*(?P<name>[a-z_]\w*)\*(?![\w*])"
    r"|(?P<url>https?://[^\s)>]+[^\s)>.,;:])"
    r"|(?P<word>\b[A-Z][a-z]*[A-Z]\w*\b)"
)
EXAMPLE = re.compile(r"^https?://[^/]*\b(?:example\.(?:com|org)|invalid|localhost)\b")
"""URLs that lead nowhere."""
SPECIAL = re.compile(r"([\\*`|_])")


def restructured(
    lines: Sequence[str], links: Mapping[str, str], parameters: Collection[str] = ()
) -> list[str]:
    """Return a docstring as lines of reStructuredText.

    lines: the docstring, without its indentation.
    links: for names that may be linked, what they are linked to: "App" -> "anylane.App".
    parameters: the names in the signature. What is said of them is found within a paragraph too.
    """
    out: list[str] = []
    for block in _blocks(lines):
        if block[0].startswith(FOR_THE_FRAMEWORK):
            continue
        if _is_code(block):
            code = dedent("\n".join(block)).split("\n")
            out += ["::", "", *(f"    {line}".rstrip() for line in code), ""]
        elif block[0].startswith("* "):
            for item in _items(block):
                out.append(f"* {inline(item[2:], links)}")
            out.append("")
        elif PARAMETER.match(block[0]):
            out += _parameters(block, links)
        else:
            first, rest = _split(" ".join(block), parameters)
            out += [inline(first, links), ""]
            out += _parameters([rest], links) if rest else []
    return out


def _split(text: str, parameters: Collection[str]) -> tuple[str, str]:
    """Return a paragraph up to where it begins to speak of parameters, and from there on."""
    for found in NEXT_PARAMETER.finditer(text):
        names = text[found.end() :].partition(": ")[0].replace("*", "").split(", ")
        if set(names) <= set(parameters):
            return text[: found.end()].rstrip(), text[found.end() :]
    return text, ""


def _blocks(lines: Sequence[str]) -> list[list[str]]:
    """Return what stands between empty lines; neighbours that are code are one block."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    blocks: list[list[str]] = []
    for block in filter(None, found):
        if not _is_code(block):
            blocks += _cut(block)
        elif blocks and _is_code(blocks[-1]):
            blocks[-1] += ["", *block]
        else:
            blocks.append(block)
    return blocks


def _is_code(block: Sequence[str]) -> bool:
    return all(line.startswith("    ") for line in block if line)


def _cut(block: list[str]) -> list[list[str]]:
    """Return a block in pieces, where a list begins within it."""
    pieces: list[list[str]] = [[]]
    for line in block:
        starts = line.startswith("* ") and pieces[-1] and not pieces[-1][0].startswith("* ")
        if starts:
            pieces.append([])
        pieces[-1].append(line)
    return pieces


def _items(block: Sequence[str]) -> list[str]:
    """Return the items of a list, each in one line."""
    items: list[str] = []
    for line in block:
        if line.startswith("* ") or not items:
            items.append(line)
        else:
            items[-1] += f" {line.strip()}"
    return items


def _parameters(block: Sequence[str], links: Mapping[str, str]) -> list[str]:
    """Return a paragraph of parameters as a definition list.

    What is raised often ends the last one; it becomes a paragraph of its own.
    """
    starts = [
        number
        for number, line in enumerate(block)
        if not line.startswith(" ") and PARAMETER.match(line)
    ]
    hanging = all(line.startswith(" ") or number in starts for number, line in enumerate(block))
    ends = [*starts[1:], len(block)]
    texts = (
        [" ".join(map(str.strip, block[a:b])) for a, b in zip(starts, ends, strict=True)]
        if hanging
        else [" ".join(block)]
    )
    texts = [each.strip() for text in texts for each in NEXT_PARAMETER.split(text)]
    last, *raises = RAISES.split(texts[-1])
    out: list[str] = []
    for text in [*texts[:-1], last.strip()]:
        names, _, meaning = text.partition(": ")
        term = ", ".join(f"``{name}``" for name in names.split(", "))
        out += [term, f"    {inline(meaning, links)}", ""]
    return [*out, *(line for text in raises for line in (inline(text.strip(), links), ""))]


def inline(text: str, links: Mapping[str, str]) -> str:
    """Return one line of text: code as code, known names as links, all else as it stands."""
    out: list[str] = []
    end = 0
    for found in INLINE.finditer(text):
        out.append(_plain(text[end : found.start()]))
        out.append(_marked(found, links, text))
        end = found.end()
    return "".join([*out, _plain(text[end:])])


def _plain(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text)


def _marked(found: re.Match[str], links: Mapping[str, str], text: str) -> str:
    if found["url"]:
        return f"``{found['url']}``" if EXAMPLE.search(found["url"]) else found["url"]
    if found["word"]:
        word = found["word"]
        if word not in links:
            return _plain(word)
        marked = f":py:obj:`{word} <{links[word]}>`"
    elif (code := found["code"] or found["name"]) in links:
        marked = f":py:obj:`{code} <{links[code]}>`"
    else:
        marked = f"``{code.strip()}``"
    # Markup has to be set off; an escaped space does that and is not shown.
    before, after = text[: found.start()][-1:], text[found.end() :][:1]
    return ("\\ " if before.isalnum() else "") + marked + ("\\ " if after.isalnum() else "")
