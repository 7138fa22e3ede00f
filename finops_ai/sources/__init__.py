"""Where charges and usage come from; a provider's name ends here."""
