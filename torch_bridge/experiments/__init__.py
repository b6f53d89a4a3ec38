"""Experiments: one file each, with its settings in a frozen dataclass at the top."""
