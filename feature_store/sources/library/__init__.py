"""What the `sports-betting` package offers: its sample games, and where sites publish their seasons.

Only this package imports it, inside functions, because it is an extra. No file is parsed here beyond what the library
itself reads. The interface is ``sample_batches``, ``fetch_season`` and ``fetch_scores``.
"""
