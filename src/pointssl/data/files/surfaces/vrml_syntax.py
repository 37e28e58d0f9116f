"""The words of a VRML 2 file as a tree of nodes, whatever they mean.

Source: ISO/IEC 14772-1:1997 (VRML97), annex A.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pointssl.data.files.surfaces.numbers import flat

_TOKEN = re.compile(rb'"(?:\\.|[^"\\])*"|\[[\s\d.,eE+-]*\]|[\[\]{}]|[^\s,"\[\]{}]+')
"""Strings, whole lists of numbers, brackets, words."""
_COMMENT = re.compile(rb'("(?:\\.|[^"\\])*")|#[^\r\n]*')
_NUMBER = re.compile(rb"[+-]?\.?\d")
_DECIMAL_COMMA = re.compile(rb"\d,0\d")
"""No whole number is written 05."""


@dataclass(slots=True, eq=False)
class Node:
    """One node: its type, and its fields as numbers, texts, truths, nodes or lists of nodes."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)

    def numbers(self, name: str, default: tuple[int, ...] = ()) -> np.ndarray:
        """Return the numbers of a field."""
        value = self.fields.get(name, default)
        return np.array(default if not isinstance(value, np.ndarray) else value, dtype=np.float64)

    def nodes(self, name: str) -> list["Node"]:
        """Return the nodes of a field; none where it holds something else."""
        value = self.fields.get(name, [])
        return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Node)]


def parse(data: bytes) -> list[Node]:
    """Return the nodes at the top of a file.

    Raises:
        ValueError: another version, prototypes, brackets that do not match.
    """
    if not data.startswith(b"#VRML V2.0"):
        version = data.split(b"\n", 1)[0][:20].decode("utf-8", errors="replace").strip()
        raise ValueError(f"it does not begin with '#VRML V2.0' but '{version}'; only VRML 2 is read")
    tokens = _Tokens(_COMMENT.sub(rb"\1", data))
    nodes: list[Node] = []
    while tokens.here:
        nodes += _read_node(tokens) if tokens.here != b"ROUTE" else tokens.skip(4)
    return nodes


class _Tokens:
    """The words in their order, with those that were given a name."""

    def __init__(self, data: bytes) -> None:
        self._words: Iterator[bytes] = (found[0] for found in _TOKEN.finditer(data))
        self.named: dict[bytes, Node] = {}
        self.here = next(self._words, b"")

    def take(self) -> bytes:
        """Return the word here and go on to the next; empty behind the end."""
        word, self.here = self.here, next(self._words, b"")
        return word

    def skip(self, count: int) -> list[Node]:
        """Pass over words."""
        for _ in range(count):
            self.take()
        return []


def _read_node(tokens: _Tokens) -> list[Node]:
    """Read `Type { ... }`, `DEF name Type { ... }` or `USE name`; nothing for `NULL`."""
    word = tokens.take()
    if word == b"NULL":
        return []
    if word in (b"PROTO", b"EXTERNPROTO"):
        raise ValueError(f"it holds {word.decode()}, which is not supported")
    if word == b"USE":
        name = tokens.take()
        if name not in tokens.named:
            raise ValueError(f"it uses '{_text(name)}' before it is defined")
        return [tokens.named[name]]
    name = tokens.take() if word == b"DEF" else b""
    kind = tokens.take() if word == b"DEF" else word
    if tokens.take() != b"{":
        raise ValueError(f"'{_text(kind)}' is not followed by a bracket: it is damaged or cut short")
    node = Node(_text(kind))
    if name:
        tokens.named[name] = node
    while tokens.here != b"}":
        word = tokens.take()
        if not word:
            raise ValueError("it is cut short: a bracket is not closed")
        if word == b"ROUTE":
            tokens.skip(3)
        else:
            node.fields[_text(word)] = _read_value(tokens)
    tokens.take()
    return [node]


def _read_value(tokens: _Tokens) -> Any:
    """Read what stands behind the name of a field."""
    word = tokens.here
    if word in (b"TRUE", b"FALSE"):
        return tokens.take() == b"TRUE"
    if word[:1] == b'"':
        return _text(tokens.take())
    if word[:1] == b"[" and len(word) > 1:
        numbers = tokens.take()[1:-1]
        if _DECIMAL_COMMA.search(numbers):
            raise ValueError("its numbers have decimal commas, which VRML takes for blanks: write 1.05 for 1,05")
        return flat(numbers.replace(b",", b" "))
    if word == b"[":
        return _read_list(tokens)
    if _NUMBER.match(word):
        row = []
        while _NUMBER.match(tokens.here):
            row.append(tokens.take())
        return flat(b" ".join(row))
    nodes = _read_node(tokens)
    return nodes[0] if nodes else None


def _read_list(tokens: _Tokens) -> list[Any]:
    tokens.take()
    values: list[Any] = []
    while tokens.here != b"]":
        if not tokens.here:
            raise ValueError("it is cut short: a bracket is not closed")
        values += [_text(tokens.take())] if tokens.here[:1] == b'"' else _read_node(tokens)
    tokens.take()
    return values


def _text(word: bytes) -> str:
    return word.decode("utf-8", errors="replace")[:60]
