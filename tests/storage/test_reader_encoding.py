"""Encodings: declared, marked or detected, always said; bytes that are no text cost their own row."""

from pathlib import Path

import pytest
from reader_files import broken_in, refusal_of, rows_of, said_of, values_of, written

from aigc_core.storage import source_files

CHINESE = "name,text\n" + "".join(f"裤子{number},这款女装穿着很舒服，适合夏天日常穿搭。\n" for number in range(30))
GERMAN = "name,text\nHütte,größer als “üblich” – für 5 €\nCafé,schön\n"


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "gbk"]
)
def test_chinese_is_read_in_every_encoding(tmp_path: Path, codec: str) -> None:
    path = written(tmp_path, "a.csv", CHINESE.encode(codec))
    assert values_of(path)[3]["name"] == "裤子3"
    assert said_of(path).encoding_basis


@pytest.mark.parametrize(
    ("content", "codec", "basis"),
    [
        (b"a,b\n1,2\n", "utf-8", "every byte fits"),
        (CHINESE.encode("utf-8-sig"), "utf-8", "byte order mark"),
        (CHINESE.encode("utf-16"), "utf-16-le", "byte order mark"),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "utf-16-be", "byte order mark"),
        (GERMAN.encode("utf-16-le"), "utf-16-le", "one is NUL"),
        (CHINESE.encode("gbk"), "gb18030", "everyday Chinese"),
        (GERMAN.encode("cp1252"), "cp1252", "every byte fits Windows-1252"),
    ],
)
def test_what_was_assumed_is_said(tmp_path: Path, content: bytes, codec: str, basis: str) -> None:
    said = said_of(written(tmp_path, "a.csv", content))
    assert said.encoding == codec
    assert basis in said.encoding_basis


def test_windows_text_is_read_with_a_note(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", GERMAN.encode("cp1252"))
    assert values_of(path)[0] == {"name": "Hütte", "text": "größer als “üblich” – für 5 €"}
    assert "the last resort" in said_of(path).notes[0]


def test_a_declared_encoding_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a,b\n1,Łódź\n".encode("iso8859-2"))
    assert values_of(path, encoding="iso-8859-2")[0]["b"] == "Łódź"
    assert said_of(path, encoding="latin2").encoding_basis == "declared"
    assert "'ebcdic' is no text encoding" in refusal_of(path, encoding="ebcdic")


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_bad_byte_costs_its_row_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, mark: bytes
) -> None:
    head = mark + CHINESE.encode()
    path = written(tmp_path, "a.csv", head + b"x,caf\xe9 noir\n" + "裤,好\n".encode())
    monkeypatch.setattr(source_files, "CHUNK", chunk)
    why = f"byte 0xE9 at byte offset {len(head) + 5} of the file does not decode as utf-8"
    assert broken_in(path) == [(32, why, "x,caf\\xe9 noir\n")]
    assert values_of(path)[-1] == {"name": "裤", "text": "好"}


@pytest.mark.parametrize(
    ("name", "line"), [("a.jsonl", b'{"name": "\xff"}\n'), ("a.txt", b"x \xff\n"), ("a.json", b'{"name": "\xff"}')]
)
def test_a_bad_byte_costs_its_row_in_every_format(tmp_path: Path, name: str, line: bytes) -> None:
    good = '{"name": "裤子女装夏"}\n'.encode()
    content = b"[" + good + b"," + line + b"," + good + b"]" if name == "a.json" else good + line + good
    ((_, why, raw),) = broken_in(written(tmp_path, name, content))
    assert f"byte 0xFF at byte offset {content.index(0xFF)} of the file" in why
    assert raw.strip() == line.decode("latin-1").strip().replace("ÿ", "\\xff")


def test_a_bad_byte_in_utf16_is_named(tmp_path: Path) -> None:
    head = b"\xff\xfe" + "a,b\n1,".encode("utf-16-le")
    path = written(tmp_path, "a.csv", head + b"\x00\xd8" + "\n3,4\n".encode("utf-16-le"))
    ((number, why, _),) = broken_in(path)
    assert (number, f"at byte offset {len(head)} of the file" in why) == (2, True)


def test_a_nul_byte_costs_its_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"a,b\n1,x\0y\n2,z\n")
    assert broken_in(path) == [(2, "holds a NUL byte (byte offset 7 of the file)", "1,x\\x00y\n")]


def test_bytes_that_speak_for_nothing_are_refused_row_by_row(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"a,b\n1,\x81\x8d\n2,x\n")
    assert [number for number, _, _ in broken_in(path)] == [2]
    assert "fit no encoding that is detected" in said_of(path).notes[0]


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("euc-kr", "이 바지는 여름에 입기 좋은 시원한 소재로 만든 여성용 바지입니다"),
        ("cp1251", "Удобные женские брюки из лёгкой ткани, хороши на каждый день"),
        ("shift-jis", "夏に涼しい素材で作られた女性用のパンツです"),
        ("big5", "這款女裝褲子穿著很舒服，適合夏天的日常穿搭"),
        ("koi8-r", "Удобные женские брюки из лёгкой ткани, хороши на каждый день"),
    ],
)
def test_other_encodings_are_not_taken_for_one_of_these(tmp_path: Path, codec: str, text: str) -> None:
    path = written(tmp_path, "a.csv", b"id,text\n" + b"".join(b"%d,%b\n" % (n, text.encode(codec)) for n in range(20)))
    assert said_of(path).encoding == "utf-8"
    assert "name `encoding` in the recipe" in said_of(path).notes[0]


def test_no_replacement_character_is_made(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", CHINESE.encode() + b"\xe8\xa3,x\n\xff\xfe,y\n" + CHINESE.encode("gbk"))
    assert not any("\ufffd" in f"{row.values}{row.raw}" for row in rows_of(path))


def test_a_replacement_character_of_the_file_is_kept(tmp_path: Path) -> None:
    assert values_of(written(tmp_path, "a.csv", "a,b\n1,37\ufffd\n")) == [{"a": "1", "b": "37\ufffd"}]


def test_ascii_may_run_long_before_another_encoding_shows(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", b"name,text\n" + b"hat,red\n" * 300_000 + CHINESE[10:].encode("gbk"))
    assert said_of(path).encoding == "gb18030"
    assert values_of(path)[-1]["name"] == "裤子29"
