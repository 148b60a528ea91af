"""Which version becomes champion: the promotion gate, the checks of a bundle, promotion and rollback.

Nothing here fits a model. ``gate`` is pure: versions, losses and checks in, a verdict with its numbers out.
``promote.promote`` and ``promote.roll_back`` change the deployment record and MLflow's aliases.
"""
