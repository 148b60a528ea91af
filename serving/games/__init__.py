"""The games in memory: the slate and what keeps it current, search by team, how stale its data are.

No models and no forecasts may enter. Others use ``Slate``, ``SlateFollower`` and ``StalenessPolicy``.
"""
