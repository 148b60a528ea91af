"""What bookmakers show: their quotes with the age of each, their consensus, and the best price of a bet.

Pure arithmetic on one game's quotes; where they come from and who asks may not enter. The interface is
``quotes.BookQuote``, ``consensus.consensus`` and ``best_price``.
"""
