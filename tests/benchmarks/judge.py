"""The shared accuracy set's own judge, which lies beside it and is no package of ours."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from tests.benchmarks.pages import FOLDER


def judge(kind: str) -> Callable[..., Any]:
    """`score_detection` or `score_forecast`: from a split's folder and a file of answers to a table of figures."""
    if str(FOLDER.parents[1]) not in sys.path:
        sys.path.append(str(FOLDER.parents[1]))
    found: Callable[..., Any] = getattr(importlib.import_module("costbench.score"), f"score_{kind}")
    return found
