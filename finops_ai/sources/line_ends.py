"""Text whose lines end in several ways, as files do that were appended to or edited on another system."""

from __future__ import annotations

import csv
from pathlib import Path

from finops_ai.domain.errors import Unavailable
from finops_ai.sources.parts import MAX_FIELD_CHARACTERS


def made_even(text: Path, delimiter: str) -> bool:
    """Write CSV `text` again with one kind of line end; False, and nothing changed, where that is not what it lacks.

    Fields keep every character, also line ends within quotes. Raises Unavailable when this machine has no room.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    even = text.with_suffix(".even")
    try:
        with text.open(encoding="utf-8", newline="") as source, even.open("w", encoding="utf-8", newline="") as sink:
            reader = csv.reader(source, delimiter=delimiter, strict=True)
            writer = csv.writer(sink, delimiter=delimiter, lineterminator="\n")
            width = 0
            for row in filter(None, reader):
                if len(row) != (width := width or len(row)):
                    return False
                writer.writerow(row)
        even.replace(text)
    except csv.Error:
        return False
    except OSError as error:
        raise Unavailable(f"{error.filename or even}: {error.strerror}") from error
    finally:
        even.unlink(missing_ok=True)
    return True
