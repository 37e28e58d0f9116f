"""Planted faults, and what runs the tests against them."""
