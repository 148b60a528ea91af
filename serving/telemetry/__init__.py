"""What a request leaves behind: metrics, its trace, the access log.

No business and no HTTP answers may enter. Others use ``Metrics``, ``Trace`` and ``AccessLog``.
"""
