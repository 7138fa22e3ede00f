"""Composition root: configuration to the program; the only room that builds."""

from finops_ai.app.health import examine
from finops_ai.app.parts import database_status, kinds, policies, upgrade_database
from finops_ai.app.program import JOBS, App, open_app

__all__ = ["JOBS", "App", "database_status", "examine", "kinds", "open_app", "policies", "upgrade_database"]
