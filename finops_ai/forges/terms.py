"""On which terms pull requests are opened: who must approve what, what is a draft, when a closed one may come again."""

from __future__ import annotations

from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.proposal import Recommendation

Text = Annotated[str, Field(min_length=1)]


class Approval(BaseModel):
    """What waits, as a draft, for one of `by`, accounts with write access to the repository.

    `above`: what saves or costs more than that a month. `workloads`: globs over CLUSTER/NAMESPACE/KIND/NAME, such as
    "prod*/*".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    by: tuple[Text, ...] = ()
    above: Annotated[Decimal, Field(ge=0)] | None = None
    workloads: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.above is not None or self.workloads) and not self.by:
            raise PydanticCustomError("wrong", "names nobody who may approve: list accounts in by")
        return self

    def asked_for(self, recommendation: Recommendation) -> bool:
        """True when that recommendation waits for a person."""
        amounts = (abs(recommendation.saving.low.amount), abs(recommendation.saving.high.amount))
        dear = self.above is not None and max(amounts) > self.above
        return dear or any(fnmatchcase(recommendation.workload.key, glob) for glob in self.workloads)


class Terms(BaseModel):
    """`again_step`: what a person closed is proposed again once a value moved by more than that share.

    `draft_risks`: recommendations of these risks are opened as drafts. `overview`: keep an issue that lists all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    approval: Approval = Approval()
    again_step: Annotated[Decimal, Field(ge=0, le=10)] = Decimal("0.15")
    draft_risks: tuple[Text, ...] = ("high",)
    overview: bool = True
