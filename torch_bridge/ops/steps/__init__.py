"""Matrix activations with step functions for entries."""
