"""What the bot knows of people and guilds: consents, guild settings, and the bets of users who consent.

Games and prices may not enter. ``reading`` is called by the snapshot; ``archive`` and ``guild_settings`` read back what
was recorded.
"""
