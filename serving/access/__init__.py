"""Access control: API keys, scopes, guilds, rate limits, client addresses.

Routes and forecasts do not belong here. Other packages use ``AdmissionControl`` and ``ApiKeys``.
"""
