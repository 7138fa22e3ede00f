"""Policy as code: Rego packs evaluated in process; what cannot be evaluated is denied."""
