"""The files of a source: one file, a glob, a folder or an object-store URI; opened, unpacked, fingerprinted."""

import fnmatch
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from pyarrow import fs

from aigc_core.errors import SourceInvalid

CHUNK = 1 << 20
"""Bytes read at a time; beside it nothing of a file is held."""
FIRST_BYTES = 1 << 12
REMOTE_BUFFER = 8 << 20
"""Bytes fetched from an object store at a time: fewer, larger requests."""
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\x28\xb5\x2f\xfd", "zstd"))
VALID = (
    f"Sources are {', '.join(FORMATS)} files, each also with {', '.join(COMPRESSIONS)}: one file, a glob, a folder, "
    "or a URI such as s3://bucket/folder."
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SECRET = re.compile(
    r"(?i)(?:signature|credentials?|token|secret|passw(?:or)?d|access[-_]?key|api[-_]?key|account[-_]?key|secret[-_]?key|"
    r"access[-_]?key[-_]?id|(?:^|[-_])(?:sig|pwd|pass))$"
)
"""Ends of the names of settings that are secrets: `X-Amz-Signature` and `sas_token` as well as `sig`."""
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One file of a source: where it lies and how it is reached."""

    name: str
    """As a person is shown it: a local path, or a URI without settings and secrets."""
    relative: str
    """Its name within the source; its own name when the source is one file."""
    path: str
    """Within its file system."""
    filesystem: fs.FileSystem
    size: int
    """Bytes as they lie there; -1 when the store does not say."""
    passed_over: tuple[str, ...] = ()
    """Files of the same folder that are of no known format; on the first place only."""


def source_files(path: str) -> tuple[Place, ...]:
    """The files that a source names, sorted by name.

    Args:
        path: a file, a glob (`data/*.csv`, `**` for any depth), a folder (its files of known formats at any depth),
            in both names that begin with a dot or an underscore left out; or a URI of any of these: `s3://`, `gs://`,
            `file://` through Arrow, other schemes through fsspec. Arrow takes settings from the URI's query, for
            example `?endpoint_override=http://127.0.0.1:9000&region=eu-west-1`, and from the usual AWS variables.

    Raises:
        SourceInvalid: nothing is there, it cannot be listed, or no file is of a known format.
    """
    try:
        found, one = _remote(path) if _URI.match(path) else _local(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        said = _without_secret(" ".join(str(error).split()), path)
        raise SourceInvalid(f"{public_name(path)} cannot be listed: {said}.", VALID) from error
    if one:
        _require_known(found[0])
        return tuple(found)
    known = sorted((place for place in found if _known(place.relative)), key=lambda place: place.relative)
    if not known:
        raise SourceInvalid(f"{public_name(path)} has no file of a known format.", VALID)
    others = tuple(sorted(place.relative for place in found if not _known(place.relative)))
    return (replace(known[0], passed_over=others), *known[1:])


def public_name(path: str) -> str:
    """The source as it may be shown and kept: a URI without its settings, user and password."""
    if not _URI.match(path):
        return path
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def require_no_secret(path: str) -> None:
    """Refuse an address that carries a secret: addresses are kept with runs, drafts and pages.

    A user alone is none: `abfss://container@account...` is how Azure writes a folder.

    Raises:
        SourceInvalid: a user with a password, or a setting that is named like a key; the message shows neither.
    """
    if not _URI.match(path):
        return
    parts = urlsplit(path)
    named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if _SECRET.search(name)]
    if not (parts.password or named):
        return
    raise SourceInvalid(
        f"The address {public_name(path)} carries a key and a secret{f' ({named[0]})' if named else ''}.",
        "Addresses are kept with every run and line, and shown to whoever looks at them.",
        "Put them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where your store looks for them.",
    )


def file_sha256(path: str) -> str:
    """SHA-256 as 64 lowercase hex digits: of the bytes of one file; of sorted names and hashes of several.

    Raises:
        SourceInvalid: nothing is there, or it cannot be read.
    """
    places = source_files(path)
    if len(places) == 1:
        return _sha256(places[0])
    whole = hashlib.sha256()
    for place in places:
        whole.update(f"{place.relative}\0{_sha256(place)}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def suffixes_of(name: str) -> tuple[str, str]:
    """The format and the compression that a name promises; each empty when it promises none."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1], "") if suffixes else ""
    if compression:
        suffixes.pop()
    return (suffixes[-1] if suffixes and suffixes[-1] in FORMATS else ""), compression


def byte_chunks(place: Place, compression: str = "") -> Iterator[bytes]:
    """The file's bytes, unpacked, in pieces of at most 1 MiB.

    Raises:
        SourceInvalid: it cannot be read or does not unpack.
    """
    buffer = None if isinstance(place.filesystem, fs.LocalFileSystem) else REMOTE_BUFFER
    try:
        with place.filesystem.open_input_stream(
            place.path, compression=compression or None, buffer_size=buffer
        ) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except (OSError, pa.ArrowException) as error:
        raise unreadable(place, error) from error


def first_bytes(place: Place, compression: str = "") -> bytes:
    """The first few thousand bytes, unpacked.

    Raises:
        SourceInvalid: the file cannot be read or does not unpack.
    """
    if compression:
        return next(byte_chunks(place, compression), b"")[:FIRST_BYTES]
    try:
        with open_at_random(place) as file:
            found: bytes = file.read(FIRST_BYTES)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(place, error) from error
    return found


def open_at_random(place: Place) -> pa.NativeFile:
    """The file opened for reading at any place.

    Raises:
        SourceInvalid: it cannot be opened.
    """
    try:
        return place.filesystem.open_input_file(place.path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(place, error) from error


def unreadable(place: Place, error: Exception) -> SourceInvalid:
    """The error of a file that cannot be read or unpacked."""
    return SourceInvalid(
        f"{place.name} cannot be read: {' '.join(str(error).split())}.",
        "A file must be there, readable and, when it is compressed, whole.",
        "Copy or export it again.",
    )


def _sha256(place: Place) -> str:
    digest = hashlib.sha256()
    for chunk in byte_chunks(place):
        digest.update(chunk)
    return digest.hexdigest()


def _known(name: str) -> bool:
    return bool(suffixes_of(name)[0])


def _require_known(place: Place) -> None:
    name = Path(place.relative)
    bare = not [suffix for suffix in name.suffixes if suffix.lower() not in COMPRESSIONS]
    if not (_known(place.relative) or bare):
        raise SourceInvalid(f"{place.name} is of no known format.", VALID, "Convert it, or correct its suffix.")
    if not place.size:
        raise SourceInvalid(f"{place.name} is empty.", VALID)


def _local(path: str) -> tuple[list[Place], bool]:
    """The files, and whether the path is that of one file."""
    here = Path(path)
    if here.is_file():
        return [_local_place(here, here.parent)], True
    if here.is_dir():
        root, files = here, [file for file in here.rglob("*") if _is_visible(file.relative_to(here))]
    elif _WILD.search(path):
        root, files = Path(_glob_root(path)), _globbed(path)
    else:
        raise SourceInvalid(f"There is no file {path} (looked for {here.absolute()}).", VALID)
    places = [_local_place(file, root) for file in files if file.is_file()]
    if not places:
        raise SourceInvalid(f"No file fits {path} (looked in {root.absolute()}).", VALID)
    return places, False


def _globbed(pattern: str) -> list[Path]:
    root = _glob_root(pattern)
    rest = pattern[len(root) :].lstrip("/") if root != "." else pattern
    return [file for file in Path(root).glob(rest) if _is_visible(file.relative_to(root))]


def _is_visible(inside: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in inside.parts)


def _local_place(file: Path, root: Path) -> Place:
    return Place(
        name=str(file),
        relative=file.relative_to(root).as_posix(),
        path=str(file),
        filesystem=fs.LocalFileSystem(),
        size=file.stat().st_size,
    )


def _glob_root(pattern: str) -> str:
    """The part of a glob before its first component with a wildcard."""
    parts = pattern.split("/")
    plain = next(place for place, part in enumerate(parts) if _WILD.search(part))
    return "/".join(parts[:plain]) or ("/" if pattern.startswith("/") else ".")


def _without_secret(said: str, path: str) -> str:
    return said.replace(path, public_name(path)).replace(urlsplit(path).password or path, "...")


def _remote(uri: str) -> tuple[list[Place], bool]:
    """The files, and whether the URI is that of one file."""
    parts = urlsplit(uri)
    wild = bool(re.search(r"[*\[]", parts.path))
    plain = _glob_root(parts.path) if wild else parts.path
    filesystem, path = _filesystem(parts._replace(path=plain).geturl() if wild else uri)
    path = path.rstrip("/")
    found = [info for info in _listed(filesystem, path, public_name(uri)) if info.type == fs.FileType.File]
    if wild:
        wanted = path + parts.path[len(plain.rstrip("/")) :]
        found = [info for info in found if _fits(info.path, wanted)]
    if not found:
        raise SourceInvalid(f"There is no file {public_name(uri)}.", VALID)
    places = [_remote_place(info, path, f"{parts.scheme}://", filesystem) for info in found]
    return places, not wild and found[0].path == path


def _filesystem(uri: str) -> tuple[fs.FileSystem, str]:
    scheme = urlsplit(uri).scheme
    if scheme in ("s3", "gs", "gcs", "file", "hdfs", "viewfs", "abfs", "abfss"):
        found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
        return found
    import fsspec  # type: ignore[import-untyped, unused-ignore]

    try:
        handler, path = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        raise SourceInvalid(f"{public_name(uri)}: {error}.", VALID, "Install the package named there.") from error
    return fs.PyFileSystem(fs.FSSpecHandler(handler)), path


def _listed(filesystem: fs.FileSystem, path: str, shown: str) -> Sequence[fs.FileInfo]:
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        return [info]
    if info.type != fs.FileType.Directory:
        raise SourceInvalid(f"There is no file {shown}.", VALID)
    under = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    start = len(path) + 1
    return [
        info for info in under if not any(part.startswith((".", "_")) for part in info.path[start:].split("/") if part)
    ]


def _fits(path: str, pattern: str) -> bool:
    """Whether a path fits a glob, component by component; `**` stands for any number of folders."""
    return _parts_fit(path.strip("/").split("/"), pattern.strip("/").split("/"))


def _parts_fit(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    reached = {0}
    for want in wanted:
        if want == "**":
            reached = set(range(min(reached), len(parts) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatch.fnmatchcase(parts[at], want)}
    return len(parts) in reached


def _remote_place(info: fs.FileInfo, root: str, scheme: str, filesystem: fs.FileSystem) -> Place:
    inside = info.path[len(root) :].lstrip("/") if info.path != root else info.path.rsplit("/", 1)[-1]
    return Place(
        name=f"{scheme}{info.path}",
        relative=inside,
        path=info.path,
        filesystem=filesystem,
        size=-1 if info.size is None else info.size,
    )
