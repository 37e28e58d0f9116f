"""Tests of `pointssl.train`."""
