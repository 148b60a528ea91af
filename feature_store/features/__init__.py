"""What a model sees: documented functions of the situation before a game, and ordered sets of them.

No database, no clock and no score of the game itself may enter. The interface is ``sets.compute`` with
``sets.RESULTS``, ``sets.PRICES`` and ``sets.EVERYTHING``; ``catalogue`` lists every feature.
"""
