"""One function a claim: see :mod:`verify.ledger`."""
