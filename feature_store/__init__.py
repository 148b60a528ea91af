"""Everything known about a game, as of a moment, once.

Sources (CSV archives, the bot's database) become facts with two clocks in the append-only archive; a
league's state is a fold over its results; features are plain functions of that state, the game and the
prices known by then. Offline and online rows come from one ``compute``.
"""
