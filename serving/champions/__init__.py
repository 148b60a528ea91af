"""The models in memory: their loader, the follower of the deployment record, rollout status.

Bodies of forecasts and HTTP do not belong here. Other packages use ``Champions``, ``ChampionFollower`` and
``load_version``.
"""
