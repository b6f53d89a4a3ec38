"""Profiles of hypothesis: ``ci`` is its own; ``thorough`` is for one long run, see CONTRIBUTING.md."""

import os

import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough", max_examples=200_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

if "PYTEST_XDIST_WORKER" in os.environ:
    # several processes with several threads each wait for one another
    torch.set_num_threads(1)
