"""Desired state in Git held against the live state of a cluster."""

from finops_ai.rightsizing.drift.find import find
from finops_ai.rightsizing.drift.objects import Index, documents

__all__ = ["Index", "documents", "find"]
