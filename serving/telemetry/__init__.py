"""Telemetry of requests: metrics, traces, the access log.

Forecasts and HTTP responses do not belong here. Other packages use ``Metrics``, ``Trace`` and ``AccessLog``.
"""
