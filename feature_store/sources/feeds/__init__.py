"""Games, results and live prices from services on the network, one module per service behind one interface.

A feed turns answers into facts known from the moment of the look; it writes nothing. The interface is ``feed.Feed``;
``collection.collect`` records what a look brought. No clock is read here: ``now`` is passed in.
"""
