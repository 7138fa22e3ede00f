"""What is put before a policy: Kubernetes objects of a manifest, or an admission request, always as AdmissionReview."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from finops_ai.domain.proposal import Decision, Verdict
from finops_ai.domain.usage import Workload
from finops_ai.policy.base import Bundle, PolicyEngine

API_VERSION = "admission.k8s.io/v1"
MOST_NODES = 200_000

_READER_RULE = "readable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Text that holds something no policy can be asked about."""

    file: str
    reason: str


def documents(text: str, *, file: str = "") -> Iterator[Mapping[str, Any] | Unreadable]:
    """One AdmissionReview per object; lists are expanded, empty documents passed over.

    Text that does not parse, holds no Kubernetes object, or would blow up through aliases is Unreadable.
    """
    try:
        for loaded in YAML(typ="safe", pure=True).load_all(text):
            if loaded is not None:
                yield from _reviews(_plain(loaded), file)
    except RecursionError:
        yield Unreadable(file=file, reason="nested too deeply")
    except (YAMLError, ValueError, TypeError) as error:
        yield Unreadable(file=file, reason=" ".join(str(error).split())[:300])


def check_text(
    engine: PolicyEngine, bundles: Sequence[Bundle], text: str, *, file: str = "", workload: Workload | None = None
) -> list[Verdict]:
    """Verdicts of every pack on every object of a manifest, or only on `workload`; what cannot be read is denied."""
    verdicts: list[Verdict] = []
    for document in documents(text, file=file):
        if isinstance(document, Unreadable):
            message = f"cannot be judged: {document.reason}"
            verdicts.append(
                Verdict(
                    rule=_READER_RULE,
                    decision=Decision.DENY,
                    message=message,
                    resource=document.file,
                    evaluated=False,
                )
            )
        elif workload is None or _is(document["request"]["object"], workload):
            verdicts += [verdict for bundle in bundles for verdict in engine.check(document, bundle)]
    return verdicts


def review(engine: PolicyEngine, bundles: Sequence[Bundle], admission: object) -> dict[str, Any]:
    """AdmissionReview in, AdmissionReview out: denied unless every pack allows; warnings are passed on."""
    request = admission.get("request") if isinstance(admission, Mapping) else None
    uid = request.get("uid") if isinstance(request, Mapping) else None
    if not isinstance(admission, Mapping) or not isinstance(request, Mapping) or not isinstance(uid, str) or not uid:
        return _response("", ["not an AdmissionReview with a request and its uid"], [])
    if not bundles:
        return _response(uid, ["no policy pack is loaded"], [])
    verdicts = [verdict for bundle in bundles for verdict in engine.check(admission, bundle)]
    said = {
        decision: [f"{verdict.rule}: {verdict.message}" for verdict in verdicts if verdict.decision is decision]
        for decision in (Decision.DENY, Decision.WARN)
    }
    return _response(uid, said[Decision.DENY], said[Decision.WARN])


def _response(uid: str, denials: list[str], warnings: list[str]) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": uid, "allowed": not denials}
    if denials:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": "; ".join(denials)}
    if warnings:
        response["warnings"] = warnings
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


def _is(subject: Mapping[str, Any], workload: Workload) -> bool:
    metadata = subject.get("metadata")
    if subject.get("kind") != workload.kind or not isinstance(metadata, Mapping):
        return False
    return metadata.get("name") == workload.name and metadata.get("namespace") in (None, "", workload.namespace)


def _reviews(loaded: Any, file: str) -> Iterator[Mapping[str, Any] | Unreadable]:
    if not isinstance(loaded, dict) or not isinstance(loaded.get("kind"), str):
        yield Unreadable(file=file, reason="not a Kubernetes object (it has no kind)")
        return
    items = loaded.get("items")
    if loaded["kind"].endswith("List") and isinstance(items, list):
        for item in items:
            yield from _reviews(item, file)
        return
    group, _, version = str(loaded.get("apiVersion", "")).rpartition("/")
    yield {
        "apiVersion": API_VERSION,
        "kind": "AdmissionReview",
        "request": {
            "uid": "",
            "kind": {"group": group, "version": version, "kind": loaded["kind"]},
            "operation": "CREATE",
            "object": loaded,
            "oldObject": None,
        },
    }


def _plain(loaded: Any) -> Any:
    """The same as JSON would hold it. Raises ValueError when aliases would make it too large or endless."""
    if _size(loaded, {}) > MOST_NODES:
        raise ValueError(f"more than {MOST_NODES} values once its aliases are followed")
    return json.loads(json.dumps(loaded, default=str, allow_nan=False))


def _size(value: Any, known: dict[int, int]) -> int:
    """Values in the tree that `value` unfolds to; an object seen before is counted again but not walked again."""
    children = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    if not children:
        return 1
    size = known.get(id(value))
    if size == 0:
        raise ValueError("an alias that contains itself")
    if size is None:
        known[id(value)] = 0
        size = known[id(value)] = 1 + sum(_size(child, known) for child in children)
    return size
