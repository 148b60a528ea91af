"""What an operator does to the state of an installation: migrate, restore, take back, adopt.

No regular work belongs here; commands call these functions by name.
"""
