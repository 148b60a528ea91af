"""Records of API-Sports, which the bot stores as ``raw_json`` and ``odds`` and the feed asks for itself.

Pure functions from a decoded record to its parts: moments, status, stage, scores, prices. It knows neither the bot's
tables nor any service; ``bot`` and ``feeds`` stand above it.
"""
