"""Compression: bodies in the coding that the client likes best."""

from anylane.middleware.compression.part import Compression as Compression
