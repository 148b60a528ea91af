"""Predictions answered below the framework; ``FAST_PATH=false`` switches this off, and the routes answer alone.

Nothing may enter that the routes do not do as well. The app uses ``AsgiShortcut`` and ``HitPath``, the server
``FastPathProtocol``.
"""
