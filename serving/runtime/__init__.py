"""The process itself: its threads, heap and imports, and load shedding.

Games, models and HTTP do not belong here. Other packages use ``PeriodicThread``, ``LoadShedding`` and ``tune_process``.
"""
