"""HTTP without business logic: problems, middleware, headers, allowed hosts, connection time-outs, ETags.

Nothing about games, models or bets may enter. Others use ``problems``, ``headers`` and the middleware classes.
"""
