"""Sources made of JSON: one object a line, or one array of objects. Anything else is an error row."""

import json
import re
from collections.abc import Iterator

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_text import MAX_CHARACTERS, lines, text_chunks

_SPACE = " \t\r\n"
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_VALID = "A JSON file holds one array of objects, or one object a line."
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}


class _RepeatedName(ValueError):
    """An object that names a field twice: either value would be lost."""


def read_json(path: str) -> Iterator[RawRow]:
    """Rows of a file that holds an array of objects, or else one object a line.

    Raises:
        SourceInvalid: not UTF-8, or an array that does not close.
    """
    start = ""
    for text in text_chunks(path):
        start = text.lstrip(_SPACE)
        if start:
            break
    return _array(path) if start.startswith("[") else read_json_lines(path)


def read_json_lines(path: str) -> Iterator[RawRow]:
    """Rows of a file with one object a line; empty lines are skipped, other lines are rows with an error.

    Raises:
        SourceInvalid: not UTF-8.
    """
    decoder = _decoder()
    for number, line in enumerate(lines(path, newline="\n"), 1):
        text = line.strip(_SPACE)
        if text:
            yield _row(decoder, number, text)


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedName(next(name for place, name in enumerate(names) if name in names[:place]))
    return found


def _row(decoder: json.JSONDecoder, number: int, text: str) -> RawRow:
    try:
        return _as_row(number, decoder.decode(text), text)
    except _RepeatedName as error:
        return RawRow(number, {}, f"names the field {str(error)!r} twice", text)
    except json.JSONDecodeError as error:
        return RawRow(number, {}, f"not JSON: {error.msg} at character {error.pos + 1}", text)
    except (ValueError, RecursionError) as error:
        return RawRow(number, {}, f"not JSON that can be read: {error}", text)


def _as_row(number: int, value: object, text: str) -> RawRow:
    if not isinstance(value, dict):
        return RawRow(number, {}, f"not a JSON object but {_KINDS.get(type(value), 'a number')}", text)
    for name, cell in value.items():
        if isinstance(cell, list | dict):
            value[name] = json.dumps(cell, ensure_ascii=False)
    return RawRow(number, value)


def _array(path: str) -> Iterator[RawRow]:
    """Elements of an array, one at a time: the file is never held whole."""
    window = _Window(path)
    window.expect("[")
    number = 0
    while not window.at("]"):
        if number:
            window.expect(",")
        number += 1
        yield window.element(number)
    window.expect("]")
    if window.more():
        raise SourceInvalid(f"{path} goes on after the end of its array.", _VALID)


class _Window:
    """A piece of the text that grows while an element is incomplete."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._chunks = text_chunks(path)
        self._text = ""
        self._place = 0
        self._decoder = _decoder()

    def more(self) -> bool:
        """Skip spaces; whether anything is left."""
        while True:
            found = _NOT_SPACE.search(self._text, self._place)
            if found:
                self._place = found.start()
                return True
            self._place = len(self._text)
            if not self._grow():
                return False

    def at(self, mark: str) -> bool:
        """Whether the mark comes next."""
        return self.more() and self._text[self._place] == mark

    def expect(self, mark: str) -> None:
        """Step over the mark."""
        if not self.at(mark):
            raise self._broken(f"{mark!r} is missing")
        self._place += 1

    def element(self, number: int) -> RawRow:
        """The next element as a row."""
        if not self.more():
            raise self._broken("it does not close")
        while True:
            try:
                row, end = self._read(number)
            except (ValueError, RecursionError) as error:
                why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            else:
                # A number may go on in the next piece, so an element must be followed by something.
                if end < len(self._text):
                    self._place = end
                    return row
                why = "it does not close"
            if len(self._text) - self._place > MAX_CHARACTERS or not self._grow():
                raise self._broken(why)

    def _read(self, number: int) -> tuple[RawRow, int]:
        try:
            value, end = self._decoder.raw_decode(self._text, self._place)
        except _RepeatedName as error:
            _, end = json.JSONDecoder().raw_decode(self._text, self._place)
            why = f"names the field {str(error)!r} twice"
            return RawRow(number, {}, why, self._text[self._place : end]), end
        return _as_row(number, value, self._text[self._place : end]), end

    def _grow(self) -> bool:
        chunk = next(self._chunks, None)
        self._text = self._text[self._place :] + (chunk or "")
        self._place = 0
        return chunk is not None

    def _broken(self, why: str) -> SourceInvalid:
        near = self._text[self._place : self._place + 20]
        return SourceInvalid(f"{self._path} is not a JSON array: {why}{f' near {near!r}' if near else ''}.", _VALID)
