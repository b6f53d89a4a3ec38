"""Why the numbers are right: hypothesis strategies and measured convergence for matrix activations.

:mod:`verify.strategies` needs hypothesis (``pip install ".[verify]"``); :mod:`verify.convergence` does not.
"""
