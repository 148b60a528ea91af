"""Text that enters and leaves: ids, names and addresses checked, secrets masked, control characters shown.

Nothing of a room or of betting may enter. Used by every room; ``clean_streams`` and ``redaction`` by whatever prints.
"""
