"""Everything outside this process that may be down, and what is kept for then.

The database with its circuit breaker, the one owner of all Redis clients, sealed values, the spool and last-known-good
files. No forecast and no HTTP may enter. Others use ``open_database_with_breaker``, ``RedisAddress`` and the stores.
"""
