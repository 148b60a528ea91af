"""Which spellings are one club and which ids are one game: suggestions by code, decisions by people.

Nothing is merged without a decision, and no archived fact is changed. The interface is ``team_aliases`` (every source
reads its names through ``load_aliases``), ``linking`` for game links and ``duplicate_games`` for likely pairs.
"""
