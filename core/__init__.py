"""The words every room shares: plumbing, betting arithmetic, and what a registered model is.

Nothing here imports another room of ours.
"""
