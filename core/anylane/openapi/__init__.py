"""OpenAPI 3.1: the description of an app's routes, made of what was registered.

Nothing here answers requests, but for the routes of the description itself.
"""
