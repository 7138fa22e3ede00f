"""All packs of a folder as one judge of manifests and admission requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from finops_ai.domain.proposal import Decision, Verdict
from finops_ai.domain.usage import Workload
from finops_ai.policy.base import Bundle
from finops_ai.policy.bundles import run_tests
from finops_ai.policy.documents import check_text, review
from finops_ai.policy.rego import RegoEngine


class Judge:
    """Close it, or use it as a context manager, to end the engine's process."""

    def __init__(self, bundles: Sequence[Bundle], *, timeout_seconds: float = 5.0) -> None:
        self._bundles = tuple(bundles)
        self._engine = RegoEngine(timeout_seconds=timeout_seconds)

    def manifest(self, path: str, text: str, workload: Workload | None = None) -> list[Verdict]:
        """Verdicts of every pack on every object of a manifest, or only on `workload`.

        A resource is written `path#object`.
        """
        found = check_text(self._engine, self._bundles, text, file=path, workload=workload)
        return [_placed(verdict, path) for verdict in found]

    def review(self, text: str) -> tuple[list[Verdict], dict[str, Any]]:
        """The answer to the text of one AdmissionReview, and the denials and warnings in it."""
        try:
            admission = json.loads(text)
        except (ValueError, RecursionError):
            admission = None
        answer = review(self._engine, self._bundles, admission)
        response = answer["response"]
        verdicts = [
            Verdict(rule="admission", decision=Decision.WARN, message=message)
            for message in response.get("warnings", ())
        ]
        if not response["allowed"]:
            verdicts.append(Verdict(rule="admission", decision=Decision.DENY, message=response["status"]["message"]))
        return verdicts, answer

    def test(self) -> list[dict[str, str]]:
        """Results of the packs' own tests, one row each."""
        results = [result for bundle in self._bundles for result in run_tests(self._engine, bundle)]
        return [
            {"test": result.name, "result": "pass" if result.passed else "fail", "message": result.message}
            for result in results
        ]

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _placed(verdict: Verdict, path: str) -> Verdict:
    resource = "" if verdict.resource == path else verdict.resource
    return replace(verdict, resource=f"{path}#{resource}" if resource else path)
