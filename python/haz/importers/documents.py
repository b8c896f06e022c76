"""Manifests as plain values that remember on which line they stand."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from haz import _core
from haz.errors import HazError, YamlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from haz._core import Node

    Keys = tuple[str | int, ...]


class ManifestError(HazError):
    """A manifest is missing, or is not what it says it is."""

    code = "haz::init::manifest"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Document:
    """One manifest: its path below the root, without leading slash, and its values."""

    def __init__(self, path: str, data: Any, lines: dict[Keys, int]) -> None:
        self.path = path
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        self._lines = lines

    def get(self, *keys: str) -> Any:
        """Return the value at a path of keys; None where there is none."""
        value: Any = self.data
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def table(self, *keys: str) -> dict[str, Any]:
        """Return the mapping at a path of keys; empty where there is none."""
        value = self.get(*keys)
        return value if isinstance(value, dict) else {}

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Return the strings of the list at a path of keys."""
        return strings(self.get(*keys))

    def text(self, *keys: str) -> str | None:
        value = self.get(*keys)
        return value if isinstance(value, str) else None

    def place(self, *keys: str | int) -> str:
        """Say where a value stands; where that is not known, where the nearest one around it does."""
        for end in range(len(keys), 0, -1):
            if keys[:end] in self._lines:
                return f"{self.path}:{self._lines[keys[:end]]}"
        return self.path


def strings(value: Any) -> tuple[str, ...]:
    """Return the strings of a list; a string alone counts as a list of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def shaped(given: Any, shape: Mapping[str, type | tuple[type, ...]]) -> tuple[dict[str, Any], list[str]]:
    """Return a mapping without the values that are of another type than `shape` says, and the keys of those.

    What is no mapping is an empty one. Keys without a value are left out.
    """
    table = {str(key): value for key, value in given.items() if value is not None} if isinstance(given, dict) else {}
    wrong = [key for key, value in table.items() if key in shape and not isinstance(value, shape[key])]
    return {key: value for key, value in table.items() if key not in wrong}, wrong


def toml(path: str, text: str) -> Document:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{path} is not TOML: {error}") from error
    return Document(path, data, dict(_toml_lines(text)))


_HEADER = re.compile(r"\s*\[\[?\s*([^\]#]+?)\s*\]\]?\s*(#.*)?$")
_ASSIGNED = re.compile(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_PART = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")


def _toml_lines(text: str) -> Iterator[tuple[Keys, int]]:
    """Find keys by the look of their lines: `tomllib` keeps no places, and these only help a reader to find them."""
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), 1):
        if (header := _HEADER.match(line)) is not None:
            table = tuple(part.strip("\"'") for part in _PART.findall(header[1]))
            yield table, number
        elif (assigned := _ASSIGNED.match(line)) is not None:
            yield (*table, *(part.strip("\"'") for part in _PART.findall(assigned[1]))), number


def yaml(path: str, text: str) -> Document:
    if not text.strip():
        return Document(path, {}, {})
    try:
        root = _core.yaml_parse(text.encode())
    except YamlError as error:
        raise ManifestError(f"{path}:{error.line} is not YAML: {error.reason}") from error
    lines: dict[Keys, int] = {}
    return Document(path, _plain(root, (), lines), lines)


_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def _plain(node: Node, keys: Keys, lines: dict[Keys, int]) -> Any:
    if node.kind == "null":
        return None
    if node.kind == "mapping":
        found = {}
        for key, value in node.value:
            name = "" if key.value is None else key.value
            lines[*keys, name] = key.line
            found[name] = _plain(value, (*keys, name), lines)
        return found
    if node.kind == "sequence":
        items = []
        for index, item in enumerate(node.value):
            lines[*keys, index] = item.line
            items.append(_plain(item, (*keys, index), lines))
        return items
    if node.plain:
        if node.value in _WORDS:
            return _WORDS[node.value]
        if re.fullmatch(r"[-+]?\d+", node.value):
            return int(node.value)
    return node.value


def json_with_comments(path: str, text: str) -> Document:
    """Read JSON as its tools do: with `//` and `/* */`, trailing commas, and the last of two equal keys."""
    reader = _Json(path, text.removeprefix("\ufeff"))
    data = reader.document()
    return Document(path, data, reader.lines)


_WORD = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<mark>[{}\[\]:,])|(?P<word>[-+.\w]+)""",
    re.DOTALL,
)


class _Json:
    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._at = 0
        self._line = 1
        self.lines: dict[Keys, int] = {}
        self._kind, self._word = "", ""

    def document(self) -> Any:
        self._next()
        value = self._value(())
        if self._kind:
            raise self._wrong(f"`{self._word}` after the end")
        return value

    def _next(self) -> None:
        """Take the next token that is no blank; its kind is empty at the end."""
        while True:
            self._line += self._word.count("\n")
            found = _WORD.match(self._text, self._at)
            if found is None:
                self._kind, self._word = "", ""
                if self._at < len(self._text):
                    raise self._wrong(f"unexpected `{self._text[self._at]}`")
                return
            self._at = found.end()
            self._kind, self._word = found.lastgroup or "", found[0]
            if self._kind != "blank":
                return

    def _wrong(self, reason: str) -> ManifestError:
        return ManifestError(f"{self._path}:{self._line} is not JSON: {reason}")

    def _value(self, keys: Keys) -> Any:
        if len(keys) > 100:
            raise self._wrong("it is nested too deeply")
        if self._word == "{":
            return self._object(keys)
        if self._word == "[":
            return self._array(keys)
        if self._kind in ("text", "word"):
            return self._scalar()
        raise self._wrong(f"expected a value, found `{self._word}`" if self._kind else "it ends too early")

    def _scalar(self) -> Any:
        try:
            value = json.loads(self._word)
        except ValueError as error:
            raise self._wrong(f"`{self._word}` is no value") from error
        self._next()
        return value

    def _object(self, keys: Keys) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._next()
        while self._word != "}":
            if self._kind != "text":
                raise self._wrong(f"expected a key, found `{self._word}`" if self._kind else "it ends too early")
            line = self._line
            key = self._scalar()
            if self._word != ":":
                raise self._wrong(f"expected `:` after the key `{key}`")
            self._next()
            self.lines[*keys, key] = line
            found[key] = self._value((*keys, key))
            self._separator("}")
        self._next()
        return found

    def _array(self, keys: Keys) -> list[Any]:
        found: list[Any] = []
        self._next()
        while self._word != "]":
            self.lines[*keys, len(found)] = self._line
            found.append(self._value((*keys, len(found))))
            self._separator("]")
        self._next()
        return found

    def _separator(self, end: str) -> None:
        if self._word == ",":
            self._next()
        elif self._word != end:
            raise self._wrong(f"expected `,` or `{end}`" + (f", found `{self._word}`" if self._kind else ""))
