"""Who is told of doubts about the bill: missing days, late or shrunk deliveries, lost tags."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class DataQuality(BaseModel):
    """`owner` answers for the data of every source but those that `owners` names by source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str = ""
    owners: dict[str, str] = {}

    def by_source(self) -> dict[str, str]:
        """Owners by source, "" for all others."""
        return {"": self.owner, **self.owners}
