"""The routes that need no key, written out: a route is in this list or demands a scope."""

OPEN_ROUTES = frozenset(
    (
        *("/healthz", "/readyz", "/metrics"),
        *("/v2/health/live", "/v2/health/ready", "/ping", "/health", "/version"),
        *("/openapi.json", "/docs", "/docs.css"),
    )
)
"""Probes, metrics and documentation: they reveal nothing of games, callers or secrets."""
