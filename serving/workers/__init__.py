"""Several processes behind one port: the supervisor, the workers it starts, and the line between them.

What a worker serves does not belong here; the other way round, nothing but the command line imports this package.
Its interface is ``serve_with_workers`` in ``serving.workers.supervisor``.
"""
