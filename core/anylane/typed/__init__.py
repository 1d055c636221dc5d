"""Typed handlers: their parameters are found by annotation, and their answers held to it.

Everything is resolved once, when a route is registered. At request time nothing is inspected.
"""
