"""How each outside world is read: one package per source, siblings that do not know each other.

No feature and no state may enter; a source writes facts through ``archive.store`` and nothing else. ``seasons`` and
``derived_times`` hold the rules that sources share; ``published_seasons`` composes ``library`` and ``csv``.
"""
