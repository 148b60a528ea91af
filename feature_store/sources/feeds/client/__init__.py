"""Asking a service that counts its calls: the ledger of calls and pauses, the polite client, the raw answers.

Nothing here knows what an answer means. The door is ``polite_client.PoliteClient``.
"""
