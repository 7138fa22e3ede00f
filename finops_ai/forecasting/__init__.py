"""Turns the past of a cost series into its future, with bands whose coverage was measured."""
