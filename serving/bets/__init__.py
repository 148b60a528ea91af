"""Value and stake of bets.

No HTTP may enter; the arithmetic is in ``core.betting``. Others use ``BetValuation`` and ``offer_document``.
"""
