"""Claims of the three papers about their own tables, decided by the numbers that they print.

A statement here is about the printed table: exact arithmetic with its entries. Whether an experiment comes out so
again is another question.
"""

from . import iat, tmaf, arelu  # noqa: F401, I001 - in the order of the ledger
