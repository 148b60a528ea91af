"""The words every room shares: plumbing, betting arithmetic, and what a registered model is.

Imports no other room. What one room alone needs belongs in that room.
"""
