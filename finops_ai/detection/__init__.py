"""Judges days under the forecast made before them, and keeps one episode per cause."""
