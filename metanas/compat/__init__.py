"""Doors for code that was written against other benchmarks' readers."""
