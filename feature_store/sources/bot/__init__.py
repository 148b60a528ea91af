"""The bot's MySQL, read only: its games and prices, its users' consents and the bets of those who consent.

Nothing of other sources may enter, and nothing is ever written to the bot. The interface is ``snapshot.snapshot``;
``people_archive`` and ``guild_settings`` read back what it recorded, ``schema`` says what the account may see.
"""
