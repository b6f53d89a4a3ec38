"""Ratios of time against named references, measured in one run: ``python -m benchmarks``."""
