"""What a registered model is: a forecaster, the bundle that holds it, MLflow's account of it, the deployment record.

Nothing here fits a model or serves a request. ``bundles.store`` opens a registered version, ``deployment`` says which
version is champion, ``tracking.client`` is the only way to MLflow; ``pyfunc`` keeps its path, which MLflow stores.
"""
