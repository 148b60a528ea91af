"""Compiled arithmetic over facts as columns: point-in-time joins and the fold that makes a league's state.

No database and no clock may enter: columns in, columns out. ``ratings`` holds the only functions that change a state,
``fold.fold`` runs them, ``point_in_time`` makes every cut-off; ``fact_columns.columns_of`` is the way in.
"""
