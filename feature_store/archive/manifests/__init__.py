"""Which facts a training was made of: counts and SHA-256 by season, kept, verified and compared.

``contents`` makes and reads a manifest, ``diff`` says what changed between two.
"""
