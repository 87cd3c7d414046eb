"""Polku: the customer journey map that measures itself."""
