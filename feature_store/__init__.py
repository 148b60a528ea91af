"""Everything known about a game as of a moment: from sources to facts, from facts to feature rows.

Sources (CSV archives, the bot's database, published seasons) become facts with two clocks in the append-only archive; a
league's state is a fold over its results; features are plain functions of that state, the game and the prices known by
then. Offline and online rows come from one ``compute``. From the top: ``sources``, ``identity``, ``quality`` beside
``rows``, ``features``, ``history``, ``archive``; a sub-room imports only those below it.
"""
