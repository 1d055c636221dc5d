"""Semantics: header fields and what they mean (RFC 9110), without any I/O."""
