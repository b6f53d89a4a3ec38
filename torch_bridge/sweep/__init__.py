"""Sweeps: many runs, each in a folder of its own, that survive whatever kills them."""
