"""What a job shows while it runs and what it leaves on disk."""
