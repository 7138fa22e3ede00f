"""kind -> module for every plug-in family; the only list.

A plug-in is a module with `Settings` (what configuration may say of it) and `make` (settings and world to the part).
A source of charges may also have `TAGS`, the tag keys it brings of its own, which are always kept, and `BILLED_BY`,
the kinds whose bills already hold its cost: beside one of them it attributes and does not count, unless its
settings' `counts` ("auto", "always", "never") says otherwise.
"""

from __future__ import annotations

from types import ModuleType

from finops_ai.forges import folder as folder_forge
from finops_ai.sinks import folder, pagerduty
from finops_ai.sources import aws_cur, focus_files, usage_files

SOURCES: dict[str, ModuleType] = {"aws_cur": aws_cur, "focus_files": focus_files}
USAGE: dict[str, ModuleType] = {"usage_files": usage_files}
SINKS: dict[str, ModuleType] = {"folder": folder, "pagerduty": pagerduty}
FORGES: dict[str, ModuleType] = {"folder": folder_forge}
