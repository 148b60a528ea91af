"""Quality checks before training: facts that no season can have, features outside their bounds.

Nothing is repaired here, and nothing is read from a database: frames and facts come in, flags go out. The interface is
``checks``: ``examine_facts``, ``examine_features`` and ``admit``. In this room only it imports pandas and pandera.
"""
