"""The integral activation transform on a mesh, IAT (12)."""
