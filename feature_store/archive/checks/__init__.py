"""What is checked of a fact before the archive records it, whatever its source: ids, names and prices.

``store.record`` calls both; a faulty fact is quarantined with its reason and costs no other.
"""
