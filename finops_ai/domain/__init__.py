"""Nouns: frozen values that two rooms need; no I/O, no pandas, no defaults that hide a choice."""
