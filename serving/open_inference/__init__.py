"""The Open Inference protocol under ``/v2`` and MLflow's ``/invocations``: forecasts by feature row.

Nothing of ``/v1`` may enter. The app uses ``routes.router`` and ``routes.probes``.
"""
