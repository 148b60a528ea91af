"""Files: written as a whole, read as text whatever their byte-order mark, kept where only their owner may look.

What a file means belongs to the room that reads it.
"""
