"""The MLflow client and the values that it reads and writes.

No file but these and tests imports MLflow, and nothing here knows what a bundle consists of.
``client.Tracking`` is one MLflow store or server; ``runs`` holds what goes in and comes out.
"""
