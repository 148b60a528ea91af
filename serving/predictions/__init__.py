"""The body of a prediction, without HTTP: predictor, caches, prediction log, shadow, forecasts of
a range of days.

No status codes, headers or routes may enter. Others use ``Predictor``, ``PredictionLog`` and ``ahead.precompute``.
"""
