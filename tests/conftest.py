"""Profiles of hypothesis: ``ci`` is its own; ``thorough`` is for one long run, see CONTRIBUTING.md."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough", max_examples=200_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
