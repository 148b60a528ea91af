"""Feature rows made and stored: offline as Parquet, online in the database, both from one replay.

Only this sub-room writes rows, states and checkpoints. No definition of a feature may enter. The interface is
``build.build``, ``offline.materialize``, ``online.load_rows`` and, for training, ``replay.past_table``.
"""
