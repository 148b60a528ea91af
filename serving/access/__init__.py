"""Who may ask, and how often: API keys, scopes, guilds, rate limits, client addresses.

No routes and no forecasts may enter. Others use ``Admission`` and ``ApiKeys``.
"""
