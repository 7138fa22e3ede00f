"""Edits of Kubernetes YAML that touch only the bytes of the values asked for."""

from finops_ai.rightsizing.manifest.edit import Edited, set_paths, set_values, value_at, values
from finops_ai.rightsizing.manifest.find import declares
from finops_ai.rightsizing.manifest.span import Span

__all__ = ["Edited", "Span", "declares", "set_paths", "set_values", "value_at", "values"]
