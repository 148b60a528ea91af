"""The routes, schemas and responses of ``/v1``, and the service's own health and readiness.

No business logic may enter: a route parses, makes one call and responds. The app uses ``routes.ROUTERS``.
"""
