"""Orders of steps: each job is an ordinary function, idempotent, with `as_of` as an argument."""
