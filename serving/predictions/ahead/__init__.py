"""Predictions computed before they are requested: by a server for its own cache, and by a job for Redis.

Nothing that responds to requests may enter. Others use ``Prewarming`` and ``score_upcoming``.
"""
