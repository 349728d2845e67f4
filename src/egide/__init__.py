"""Égide: services, operations, border and investigation for security forces, inside the law and provably so."""

__version__ = "0.1.0"
