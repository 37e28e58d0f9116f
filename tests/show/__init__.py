"""Tests of the pictures and pages."""
