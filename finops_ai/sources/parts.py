"""One part of an export, proved whole before a row of it is read: unpacked, in UTF-8, with a header."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from finops_ai.domain.errors import Malformed, Problem, Unavailable

CHUNK_BYTES = 1 << 20
HEADER_BYTES = 1 << 20
MAX_FIELD_CHARACTERS = 1 << 24
FREE_BYTES = 256 << 20
MAX_EXPANSION = 200
"""A part may unpack to `FREE_BYTES`, or to this multiple of its size: bills reach 30, bombs begin at 1,000."""

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A part that was read from end to end. `name` is what people know it by; `text` is plain CSV without a BOM.

    `header` are the column names of a CSV file and `delimiter` is what separates them; Parquet tells its columns when
    it is opened.
    """

    name: str
    path: Path
    text: Path | None
    header: tuple[str, ...] = ()
    delimiter: str = ","

    @property
    def is_parquet(self) -> bool:
        return self.text is None


def verify(path: Path, name: str, scratch: Path) -> Whole:
    """Read a part from end to end; unpack it into `scratch` where it is packed.

    Accepts Parquet and CSV in UTF-8, plain, gzip or zip, told apart by their first bytes. Memory is bounded by the
    chunk, disk by `MAX_EXPANSION`. Raises Malformed for a part that is empty, cut short, damaged or in another
    encoding, Unavailable when this machine has no room for it.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise _refusal(name, "is empty (0 bytes): was the upload cut short?")
    if magic == b"PAR1":
        _verify_parquet(path, name)
        return Whole(name=name, path=path, text=None)
    text = scratch / "part.csv"
    unpack(path, name, text)
    header, delimiter = _header(text, name)
    return Whole(name=name, path=path, text=text, header=header, delimiter=delimiter)


def line_numbers(part: Whole, rows: set[int]) -> dict[int, int]:
    """Where rows (counted from 0) stand: the line in a text file, from 1 with the header; in Parquet the row from 1."""
    if part.is_parquet:
        return {row: row + 1 for row in rows}
    found: dict[int, int] = {}
    with _opened(part.path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        csv.field_size_limit(MAX_FIELD_CHARACTERS)
        reader = csv.reader(text, delimiter=part.delimiter)
        row, line = -1, 1  # the header is no row
        for record in reader:
            if record:
                if row in rows:
                    found[row] = line
                row += 1
            line = reader.line_num + 1
            if len(found) == len(rows):
                break
    return found


def glance(path: Path, name: str) -> tuple[tuple[str, ...], bool]:
    """Column names of a part and whether any row follows, from its beginning alone. Raises Malformed as `verify`."""
    from pyarrow import ArrowException, parquet

    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    try:
        if is_parquet:
            with parquet.ParquetFile(path) as part:
                return tuple(part.schema_arrow.names), part.metadata.num_rows > 0
        with _opened(path) as source:
            start = source.read(HEADER_BYTES).removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
        header, _ = _columns(start, name)
        rest = io.StringIO(start, newline="")
        next(record for record in csv.reader(rest) if record)
        return header, bool(rest.read().strip())
    except (ArrowException, EOFError, OSError, zlib.error, zipfile.BadZipFile, csv.Error) as error:
        raise _refusal(name, f"cannot be read: {error}; deliver it again") from error


def _verify_parquet(path: Path, name: str) -> None:
    with path.open("rb") as file:
        file.seek(-min(4, path.stat().st_size), io.SEEK_END)
        if path.stat().st_size < 12 or file.read(4) != b"PAR1":
            raise _refusal(name, "is not a whole Parquet file: its end is missing; deliver it again")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked  # type: ignore[misc]
        elif magic == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise zipfile.BadZipFile(f"holds {len(names)} files, not one")
                with archive.open(names[0]) as member:
                    yield member
        else:
            yield file


def unpack(path: Path, name: str, target: Path) -> None:
    """Copy the plain text of a part to `target`, checking checksums, encoding and growth on the way.

    Raises Malformed and Unavailable as `verify` does.
    """
    limit = max(FREE_BYTES, path.stat().st_size * MAX_EXPANSION)
    decoder = codecs.getincrementaldecoder("utf-8")()
    written, lines = 0, 1
    chunk = b""
    try:
        with _opened(path) as source, target.open("wb") as sink:
            while chunk := source.read(CHUNK_BYTES):
                if not written:
                    if chunk.startswith(UTF16):
                        raise _encoding(name, "UTF-16")
                    chunk = chunk.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
                written += len(chunk)
                if written > limit:
                    raise _refusal(name, f"unpacks to more than {limit:,} bytes, {MAX_EXPANSION} times its size")
                if (nul := chunk.find(b"\0")) >= 0:
                    raise _refusal(
                        name,
                        "is not text: it holds NUL bytes; is it UTF-16 or binary?",
                        lines + chunk.count(b"\n", 0, nul),
                    )
                decoder.decode(chunk)
                lines += chunk.count(b"\n")
                sink.write(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line = lines + chunk.count(b"\n", 0, max(error.start, 0))
        raise _encoding(name, "not UTF-8 (Latin-1 or Windows-1252?)", line) from error
    except EOFError as error:
        raise _refusal(name, "is cut short: the end of the packed data is missing; deliver it again") from error
    except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise Unavailable(f"{error.filename or target}: {error.strerror}") from error
        raise _refusal(name, f"cannot be unpacked: {error}; deliver it again") from error


def _header(text: Path, name: str) -> tuple[tuple[str, ...], str]:
    with text.open("r", encoding="utf-8", newline="") as file:
        return _columns(file.read(HEADER_BYTES), name)


def _columns(start: str, name: str) -> tuple[tuple[str, ...], str]:
    """Column names and what separates them: semicolons only where a comma separates nothing."""
    if not start.strip():
        raise _refusal(name, "holds no header and no rows")
    delimiter = ","
    try:
        header = _record(start, delimiter)
        if len(header) == 1 and ";" in header[0]:
            header, delimiter = _record(start, ";"), ";"
    except csv.Error as error:
        raise _refusal(name, f"has no readable header: {error}", 1) from error
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise Malformed(
            [Problem(file=name, line=1, column=column, message="stands twice in the header") for column in doubled]
        )
    return tuple(header), delimiter


def _record(start: str, delimiter: str) -> list[str]:
    """The first line that says something."""
    records = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter, strict=True)
    return next(record for record in records if record)


def _refusal(name: str, message: str, line: int | None = None) -> Malformed:
    return Malformed([Problem(file=name, line=line, message=message)])


def _encoding(name: str, found: str, line: int | None = None) -> Malformed:
    return _refusal(name, f"is {found}: save or export it as UTF-8", line)
