"""Traces and metrics of requests, by OpenTelemetry's API and its semantic conventions for HTTP."""
