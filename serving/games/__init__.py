"""The games in memory: the slate and its follower, search by team, the age of the data.

Models and forecasts do not belong here. Other packages use ``Slate``, ``SlateFollower`` and ``StalenessPolicy``.
"""
