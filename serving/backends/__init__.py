"""The database, Redis and disk as serving uses them, and what is stored for the time when one is unavailable.

The database with its circuit breaker, all Redis clients, sealed values, the spool and last-known-good files. Forecasts
and HTTP do not belong here. Other packages use ``open_database_with_breaker``, ``redis_clients`` and the stores.
"""
