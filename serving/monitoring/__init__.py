"""Grading of the prediction log: each logged answer beside its game's result, its closing price and the yardsticks.

No HTTP and no running model may enter: it reads the log and the archive, and others read its roll-ups. Others use
``grading.grade`` and ``live_quality.live_quality``.
"""
