"""The fault and abuse matrix, run against real processes: ``make chaos``."""
