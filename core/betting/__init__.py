"""Betting arithmetic: leagues, odds, score distributions, markets and stakes. Pure functions, no input or output."""
