"""The Open Inference protocol under ``/v2`` and MLflow's ``/invocations``: the same models, asked by feature row.

Nothing of ``/v1`` may enter. The app uses ``routes.router`` and ``routes.probes``.
"""
