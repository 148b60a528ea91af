"""The body of a prediction, without HTTP: predictor, caches, prediction log, shadow, batch forecasts.

No status codes, headers or routes may enter. Others use ``Predictor``, ``PredictionLog`` and ``ahead.precompute``.
"""
