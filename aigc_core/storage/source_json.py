"""Sources made of JSON: one object a line, one array of objects, or one object around such an array.

Numbers keep what was written: one that a 64-bit float would change (1.10, 1E5, twenty digits) is its own text.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aigc_core.contracts.schema import RawRow
from aigc_core.errors import SourceInvalid
from aigc_core.storage.source_encoding import Sample
from aigc_core.storage.source_text import MAX_CHARACTERS, Fault, FaultyLine, TextFile, lines, shown

_SPACE = " \t\r\n"
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
VALID = "A JSON file holds one array of objects, one object around such an array, or one object a line."
_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}
_PARTS = re.compile(r'"(?:[^"\\\n]|\\.)*"?|[\[\]{},]')
_CLOSED_BY = {"[": "]", "{": "}"}
_KEY = re.compile(r'[ \t\r\n]*("(?:[^"\\\n]|\\.)*")[ \t\r\n]*:[ \t\r\n]*')
_OF_OBJECTS = re.compile(r"\[[ \t\r\n]*\{")
_EDGE = 16
"""An error this close to the end of what was read may only mean that more is to come."""


class _Spelled(str):
    """A number that no Python number gives back as it was written."""


class _RepeatedName(ValueError):
    """An object that names a field twice: either value would be lost."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows lie in a JSON file."""

    kind: str
    """`lines`, `array`, `wrapped` or `objects`."""
    key: str = ""
    """The member that holds the array of a wrapped file."""


def find_shape(file: TextFile, sample: Sample, *, by_line: bool) -> Shape:
    """How rows lie in a JSON file, from the head of its sample.

    Args:
        file: the file.
        sample: of its bytes.
        by_line: whether its name promises one object a line; that holds when the first line is one value.

    Raises:
        SourceInvalid: the file cannot be read.
    """
    text = "".join(piece for piece, _ in file.pieces(sample)).lstrip(_SPACE)
    first, _, rest = text.partition("\n")
    one_line = not rest.strip(_SPACE)
    if _is_whole(first) and (by_line or not one_line):
        return Shape("lines")
    if text.startswith("["):
        return Shape("array")
    if not text.startswith("{"):
        return Shape("lines")
    key = _wrapping_key(text)
    if key:
        return Shape("wrapped", key)
    return Shape("lines" if one_line or by_line else "objects")


def read_json_lines(file: TextFile, source_file: str) -> Iterator[RawRow]:
    """Rows of a file with one object a line; empty lines are skipped, other lines are rows with an error.

    Raises:
        SourceInvalid: the file cannot be read, or a line is too long.
    """
    decoder = _decoder()
    for number, line in enumerate(lines(file, newline="\n"), 1):
        text = line.strip(_SPACE)
        if type(line) is not str and isinstance(line, FaultyLine):
            yield RawRow(number, {}, line.fault.words, shown(text), None, source_file)
        elif text:
            yield _row(decoder, number, text, source_file)


def read_json(file: TextFile, shape: Shape, source_file: str) -> Iterator[RawRow]:
    """Rows of an array, of an array in an object, or objects one behind the other, numbered by place from 1.

    An element that is broken is a row with an error as long as its brackets show where it ends. Members of a
    wrapping object other than its array are rows with an error.

    Raises:
        SourceInvalid: the file cannot be read, its array does not close, or an element's end cannot be told.
    """
    window = _Window(file, source_file)
    if shape.kind == "objects":
        yield from window.elements(lambda: not window.more(), "")
        return
    if shape.kind == "wrapped":
        window.expect("{")
        yield from window.members_before(shape.key)
    window.expect("[")
    yield from window.elements(lambda: window.at("]"), ",")
    window.expect("]")
    if shape.kind == "wrapped":
        yield from window.members_behind()
    if window.more():
        raise SourceInvalid(f"{file.place.name} goes on after the end of its array.", VALID)


def _is_whole(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _wrapping_key(text: str) -> str:
    """The first member of an object that is an array of objects, when only simple members stand before it."""
    decoder, place = json.JSONDecoder(), 1
    while found := _KEY.match(text, place):
        if _OF_OBJECTS.match(text, found.end()):
            name: str = json.loads(found[1])
            return name
        try:
            _, place = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            return ""
        comma = _NOT_SPACE.search(text, place)
        if not comma or comma[0] != ",":
            return ""
        place = comma.end()
    return ""


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_int=_integer)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = set[str]()
        for name, _ in pairs:
            if name in names:
                raise _RepeatedName(name)
            names.add(name)
    return found


def _float(text: str) -> object:
    number = float(text)
    return number if repr(number) == text else _Spelled(text)


def _integer(text: str) -> object:
    return int(text) if len(text) < 4000 and text != "-0" else _Spelled(text)


def _row(decoder: json.JSONDecoder, number: int, text: str, source_file: str) -> RawRow:
    try:
        value = decoder.decode(text)
        return _as_row(number, value, text, source_file)
    except (ValueError, RecursionError) as error:
        return RawRow(number, {}, _why(error), text, None, source_file)


def _why(error: Exception, start: int = 0) -> str:
    if isinstance(error, _RepeatedName):
        return f"names the field {str(error)!r} twice"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos - start + 1}"
    return "not JSON that can be read: nested too deeply" if isinstance(error, RecursionError) else str(error)


def _as_row(number: int, value: object, text: str, source_file: str) -> RawRow:
    if not isinstance(value, dict):
        kind = _KINDS.get(type(value), "a number")
        return RawRow(number, {}, f"not a JSON object but {kind}", text, None, source_file)
    for name, cell in value.items():
        if isinstance(cell, list | dict):
            value[name] = json.dumps(cell, ensure_ascii=False) if not _has_spelled(cell) else _written(cell)
        elif isinstance(cell, _Spelled):
            value[name] = str(cell)
    return RawRow(number, value, "", "", None, source_file)


def _has_spelled(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_spelled, value.values()))
    return any(map(_has_spelled, value)) if isinstance(value, list) else isinstance(value, _Spelled)


def _written(value: object) -> str:
    """JSON text with every number as it was written."""
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}: {_written(cell)}" for name, cell in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return str(value) if isinstance(value, _Spelled) else json.dumps(value, ensure_ascii=False)


class _Window:
    """A piece of the text that grows while an element is incomplete."""

    def __init__(self, file: TextFile, source_file: str) -> None:
        self._name = file.place.name
        self._file = source_file
        self._pieces = file.pieces()
        self._text = ""
        self._place = 0
        self._faults: list[Fault] = []
        self._number = 0
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
            raise self._broken(f"{mark!r} is missing" if self.more() else "it does not close")
        self._place += 1

    def elements(self, ended: Callable[[], bool], between: str) -> Iterator[RawRow]:
        """The elements up to an end, as rows."""
        begun = False
        while not ended():
            if begun and between:
                self.expect(between)
            begun = True
            row, at = self._element(), self._place
            if not between and row.error and not row.raw:
                # Between objects nothing else steps over what is no object.
                self._place = at + 1
                row = row._replace(raw=shown(self._text[at : at + 1]))
            yield row

    def members_before(self, key: str) -> Iterator[RawRow]:
        """Members of a wrapping object up to the array, which comes next then."""
        while True:
            name = self._name_of_member()
            if name == key and self.at("["):
                return
            yield self._beside(name)
            self.expect(",")

    def members_behind(self) -> Iterator[RawRow]:
        """Members of a wrapping object behind its array, and its end."""
        while not self.at("}"):
            self.expect(",")
            yield self._beside(self._name_of_member())
        self.expect("}")

    def _name_of_member(self) -> str:
        start = self._place if self.more() else 0
        while not (found := _KEY.match(self._text, start)):
            if len(self._text) - start > MAX_CHARACTERS or not self._grow():
                raise self._broken("the name of a member is missing")
            start = self._place
        self._place = found.end()
        name: str = json.loads(found[1])
        return name

    def _beside(self, name: str) -> RawRow:
        row = self._element()
        raw = row.raw or json.dumps(row.values, ensure_ascii=False, default=str)
        return row._replace(values={}, error=f"stands beside the rows, as {name!r} of the object around them", raw=raw)

    def _element(self) -> RawRow:
        """The next element as a row."""
        if not self.more():
            raise self._broken("it does not close")
        self._number += 1
        while True:
            text, start, why = self._text, self._place, "it does not close"
            try:
                value, end = self._decoder.raw_decode(text, start)
                row = _as_row(self._number, value, text[start:end], self._file)
            except (ValueError, RecursionError) as error:
                end, why = 0, _why(error, start)
                if _is_certain(error, len(text)):
                    return self._refused(why)
            # A number may go on in the next piece, so an element must be followed by something.
            if 0 < end < len(text):
                self._place = end
                return self._faultless(row, start, end)
            if len(text) - start > MAX_CHARACTERS:
                raise self._broken(f"{why}; more than {MAX_CHARACTERS} characters are not looked through")
            if not self._grow():
                if end:
                    self._place = end
                    return self._faultless(row, self._place - (end - start), end)
                return self._refused(why)

    def _faultless(self, row: RawRow, start: int, end: int) -> RawRow:
        first = next((fault for fault in self._faults if start <= fault.position < end), None)
        if first is None:
            return row
        return RawRow(self._number, {}, first.words, shown(self._text[start:end]), None, self._file)

    def _refused(self, why: str) -> RawRow:
        """The broken element as a row with an error, up to where its brackets close."""
        while (end := _end_of_broken(self._text, self._place)) is None:
            if len(self._text) - self._place > MAX_CHARACTERS or not self._grow():
                raise self._broken(why)
        if end < 0:
            raise self._broken(f"{why}, and brackets do not match")
        start, self._place = self._place, end
        row = RawRow(self._number, {}, why, shown(self._text[start:end]), None, self._file)
        return self._faultless(row, start, end)

    def _grow(self) -> bool:
        piece, faults = next(self._pieces, (None, []))
        cut = self._place
        kept = [Fault(fault.position - cut, fault.words) for fault in self._faults if fault.position >= cut]
        self._text = self._text[cut:]
        self._faults = kept + [Fault(fault.position + len(self._text), fault.words) for fault in faults]
        self._text += piece or ""
        self._place = 0
        return piece is not None

    def _broken(self, why: str) -> SourceInvalid:
        near = shown(self._text[self._place : self._place + 20])
        return SourceInvalid(f"{self._name} is not a JSON array: {why}{f' near {near!r}' if near else ''}.", VALID)


def _end_of_broken(text: str, start: int) -> int | None:
    """Where a broken element ends: None when the text does not reach so far, -1 when its brackets do not match."""
    opened = list[str]()
    for found in _PARTS.finditer(text, start):
        part = found[0]
        if part[0] == '"':
            if found.end() == len(text):
                return None
        elif part in _CLOSED_BY:
            opened.append(_CLOSED_BY[part])
        elif not opened:
            return found.start()
        elif part != ",":
            if opened.pop() != part:
                return -1
            if not opened:
                return found.end()
    return None


def _is_certain(error: Exception, size: int) -> bool:
    """Whether more text cannot mend an element that is broken."""
    if not isinstance(error, json.JSONDecodeError):
        return True
    return not error.msg.startswith("Unterminated string") and error.pos < size - _EDGE
