"""Git hosts: where a proposal becomes a branch and a pull request."""
