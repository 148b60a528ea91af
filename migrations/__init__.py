"""Schema changes of our own database: small, reversible, numbered on from the bot's own (ours begin at 016)."""
