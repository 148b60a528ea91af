"""Rows A1 to A15: requests, callers and texts that mean harm."""
