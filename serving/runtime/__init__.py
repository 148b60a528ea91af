"""This process: its threads, its heap, its lean imports, and which work it sheds under load.

Nothing about games, models or HTTP may enter. Others use ``PeriodicThread``, ``LoadShedding`` and ``tune_process``.
"""
