"""The models that answer: one loader with one back-off, the follower of the deployment record, rollout status.

No forecast's body and no HTTP may enter. Others use ``Champions``, ``ChampionFollower`` and ``load_version``.
"""
