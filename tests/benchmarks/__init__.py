"""Speed and memory as ratios to bare engines measured in the same run."""
