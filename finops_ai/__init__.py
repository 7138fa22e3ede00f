"""Self-hosted FinOps loop: bill in; report, page and pull request out."""

__version__ = "0.1.0"
