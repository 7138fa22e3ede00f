"""Recommendations from usage and price, the guard that can only refuse or soften, and the edit of manifests."""
