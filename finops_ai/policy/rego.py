"""Rego v1 packs, judged in a child process; whatever cannot be evaluated in time is denied, with the reason."""

from __future__ import annotations

import hashlib
import json
import re
import selectors
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from finops_ai.domain.proposal import Decision, Verdict
from finops_ai.policy.base import Bundle

ENTRY_RULES = {"deny": Decision.DENY, "warn": Decision.WARN}

_START_SECONDS = 30.0


class EvaluationFailed(Exception):
    """The engine gave no answer that could be trusted."""


class RegoEngine:
    """Evaluates the rules `deny` and `warn` of every package of a bundle; safe to share between threads.

    Each rule is a set of messages, or of objects {"msg": text, "resource": text}. Use as a context manager or
    `close` it; the child process also ends with this one.
    """

    def __init__(self, *, timeout_seconds: float = 5.0) -> None:
        self._timeout = timeout_seconds
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def check(self, document: Mapping[str, Any], bundle: Bundle) -> list[Verdict]:
        resource = resource_name(document)
        try:
            values = self._ask(bundle, bundle.modules, {"input": document, "rules": list(ENTRY_RULES)})
            return _verdicts(bundle, values, resource)
        except EvaluationFailed as error:
            message = f"the policy could not be evaluated: {error}"
            return [
                Verdict(rule=bundle.name, decision=Decision.DENY, message=message, resource=resource, evaluated=False)
            ]

    def evaluate(self, bundle: Bundle, queries: Sequence[str], *, with_tests: bool = False) -> dict[str, Any]:
        """Values of queries such as `data.finops.cost_tags.test_blank`; undefined ones are absent.

        Raises EvaluationFailed.
        """
        modules = {**bundle.modules, **bundle.tests} if with_tests else bundle.modules
        return self._ask(bundle, modules, {"queries": list(queries)})

    def close(self) -> None:
        with self._lock:
            self._stop()

    def __enter__(self) -> RegoEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, bundle: Bundle, modules: Mapping[str, str], request: dict[str, Any]) -> dict[str, Any]:
        try:
            code = json.dumps({"modules": dict(modules), "data": dict(bundle.data)}, sort_keys=True, allow_nan=False)
            request["digest"] = hashlib.sha256(code.encode()).hexdigest()
            line = json.dumps(request, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise EvaluationFailed(f"the document is not JSON: {error}") from None
        with self._lock:
            child = self._child = self._child or _Child()
            try:
                answer = child.ask(line, request["digest"], code, self._timeout)
            except EvaluationFailed:
                self._stop()
                raise
        if "error" in answer:
            raise EvaluationFailed(" ".join(str(answer["error"]).split())[:500])
        return cast(dict[str, Any], answer["values"])

    def _stop(self) -> None:
        if self._child:
            self._child.stop()
            self._child = None


class _Child:
    """One running worker. Every failure to talk to it is an EvaluationFailed; it is then of no more use."""

    def __init__(self) -> None:
        worker = str(Path(__file__).with_name("worker.py"))
        self._process = subprocess.Popen(  # noqa: S603 - our own file, run by our own interpreter
            [sys.executable, "-I", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._known: set[str] = set()
        self._buffer = b""
        self.stop = weakref.finalize(self, _end, self._process)
        self._started = False

    def ask(self, line: str, digest: str, code: str, timeout_seconds: float) -> dict[str, Any]:
        if not self._started:
            self._read(_START_SECONDS)
            self._started = True
        if digest not in self._known:
            line = f"{line[:-1]}, {code[1:]}"
        try:
            stdin = cast(IO[bytes], self._process.stdin)
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except OSError:
            raise EvaluationFailed("the engine ended") from None
        answer = self._read(timeout_seconds)
        if "error" not in answer:
            self._known.add(digest)
        return answer

    def _read(self, seconds: float) -> dict[str, Any]:
        stdout = cast(IO[bytes], self._process.stdout)
        with selectors.DefaultSelector() as ready:
            ready.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not ready.select(seconds):
                    raise EvaluationFailed(f"no answer within {seconds:g} s")
                piece = stdout.read1(1 << 16)  # type: ignore[attr-defined]
                if not piece:
                    raise EvaluationFailed(f"the engine ended without an answer (status {self._process.wait()})")
                self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            return cast(dict[str, Any], json.loads(line))
        except ValueError:
            raise EvaluationFailed("the engine's answer is not JSON") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            try:
                pipe.close()
            except OSError:  # what was left to write has no reader any more
                continue


def resource_name(document: Mapping[str, Any]) -> str:
    """`namespace/Kind/name` of the object under review, as far as it tells."""
    request = document.get("request")
    subject = request.get("object") if isinstance(request, Mapping) else None
    if not isinstance(subject, Mapping):
        return ""
    metadata = subject.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    parts = (metadata.get("namespace"), subject.get("kind"), metadata.get("name"))
    return "/".join(str(part) for part in parts if part)


def _verdicts(bundle: Bundle, values: Mapping[str, Any], resource: str) -> list[Verdict]:
    """One verdict per message; ALLOW when there is none. A rule that is undefined or no set of messages denies."""
    verdicts = []
    for rule, decision in ENTRY_RULES.items():
        found = {query: value for query, value in values.items() if query.rsplit(".", 1)[1] == rule}
        if not found and any(re.search(rf"^(?:default\s+)?{rule}\b", text, re.M) for text in bundle.modules.values()):
            raise EvaluationFailed(f"the rule {rule} is undefined")
        for query, value in found.items():
            for message, about in _messages(query, value):
                verdicts.append(
                    Verdict(rule=bundle.name, decision=decision, message=message, resource=about or resource)
                )
    if not values:
        raise EvaluationFailed("the pack defines neither deny nor warn")
    if not verdicts:
        verdicts.append(Verdict(rule=bundle.name, decision=Decision.ALLOW, message="", resource=resource))
    return verdicts


def _messages(query: str, value: Any) -> list[tuple[str, str]]:
    wrong = EvaluationFailed(f"{query} is not a set of messages")
    if not isinstance(value, list):
        raise wrong
    messages = []
    for item in value:
        message, about = (item.get("msg"), item.get("resource", "")) if isinstance(item, dict) else (item, "")
        if not isinstance(message, str) or not isinstance(about, str):
            raise wrong
        messages.append((message, about))
    return sorted(set(messages))
