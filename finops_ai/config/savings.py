"""How merged changes are followed: where the bill names workloads, and which budgets tell that one fares worse."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.focus import canonical_tag


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{text}", {"text": message})


def _tag(text: str) -> str:
    prefix, _, name = text.partition(":")
    if prefix != "tag" or not canonical_tag(name):
        raise _wrong(f"{text!r} is not a tag: write tag:NAME")
    return text


Tag = Annotated[str, AfterValidator(_tag)]
Text = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WorkloadTags(_Section):
    """Tags by which charges name a workload; `cluster_name` stands in where no tag names the cluster."""

    namespace: Tag
    workload: Tag
    cluster: Tag | None = None
    cluster_name: Text | None = None

    @model_validator(mode="after")
    def _names_a_cluster(self) -> Self:
        if (self.cluster is None) == (self.cluster_name is None):
            raise _wrong("set cluster (tag:NAME) or cluster_name, one of them")
        return self

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(one for one in (self.cluster, self.namespace, self.workload) if one is not None)


class Objective(_Section):
    """An error or latency budget of workloads: `bad_ratio` is PromQL for the share of bad requests in `$window`.

    `namespace` and `workload` are globs; `$namespace` and `$workload` stand in the query. `burn_at` is how many times
    faster than allowed the budget must burn, over an hour and over its last five minutes.
    """

    name: Text
    source: Text
    bad_ratio: Text
    objective: Annotated[float, Field(gt=0, lt=1)] = 0.999
    namespace: Text = "*"
    workload: Text = "*"
    burn_at: Annotated[float, Field(gt=0)] = 14.4


class Savings(_Section):
    """Without `bill` the split of clusters (a source of kind opencost) tells what a workload was billed.

    `tell` names sinks that hear of every merge, as a change beside the pages.
    """

    bill: WorkloadTags | None = None
    objectives: tuple[Objective, ...] = ()
    tell: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    watch_days: Annotated[int, Field(ge=1, le=90)] = 28
