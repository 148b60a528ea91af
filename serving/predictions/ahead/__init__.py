"""Forecasts made before they are asked for: by a server for its own cache, and by a job for the shared one.

Nothing that answers a request may enter. Others use ``Prewarming`` and ``score_upcoming``.
"""
