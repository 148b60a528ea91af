"""What a bet is worth: valuation of a priced market, stakes, parlays.

No HTTP may enter; the arithmetic itself lives in ``core.betting``. Others use ``valuation`` and ``parlays``.
"""
