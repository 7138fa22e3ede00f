"""One YAML file and the environment, checked whole: the only room that knows what can be configured."""

from finops_ai.config.check import doubts, effective, schema, starter, unset_secrets
from finops_ai.config.document import ConfigProblem, Origin
from finops_ai.config.load import Config, Kinds, PlugIn, load

__all__ = [
    "Config",
    "ConfigProblem",
    "Kinds",
    "Origin",
    "PlugIn",
    "doubts",
    "effective",
    "load",
    "schema",
    "starter",
    "unset_secrets",
]
