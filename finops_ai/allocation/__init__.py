"""Who owns a charge: cost center, AI model and environment by rules, shared costs by splits."""
