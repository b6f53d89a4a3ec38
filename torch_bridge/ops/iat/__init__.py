"""The exact integral activation transform; the derivation is in README.md."""
