"""Answers of peers kept as files: what a peer forgets after days can still be read again when a rule changes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import quote

from finops_ai.domain.errors import Unavailable
from finops_ai.world.objects import FolderStore


class Recording(FolderStore):
    """A folder of our own that reads like any store; what is put into it is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._target = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{folder}: {error.strerror or error}") from None
        super().__init__(folder)

    def put(self, key: str, content: bytes) -> None:
        """Make or replace one object. Raises Unavailable when the disk does not take it."""
        path = self._target / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".put-", delete=False) as file:
                file.write(content)
            Path(file.name).replace(path)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror or error}") from None


def recording(folder: Path, name: str) -> Recording:
    """The recording of one source under `folder`; a name may be any text and never leads elsewhere."""
    return Recording(folder / f"{quote(name, safe='')}.recorded")
