"""First run without credentials: own exports, a local forge, a folder for messages."""
