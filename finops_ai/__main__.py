"""`python -m finops_ai` is `finops-ai`."""

from finops_ai.cli.main import run

if __name__ == "__main__":
    run()
