"""A forecast's body without HTTP: predictor, answer, caches, prewarming, prediction log, shadow, batch forecasts.

No status codes, headers or routes may enter. Others use ``Predictor``, ``PredictionLog`` and ``precompute``.
"""
