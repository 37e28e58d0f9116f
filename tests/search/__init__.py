"""Tests of the index of shapes."""
