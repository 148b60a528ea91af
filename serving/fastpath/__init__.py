"""Cache hits answered below the framework; a setting switches this off, and everything still works.

Nothing may enter that the routes do not do as well. The app uses ``AsgiShortcut``.
"""
