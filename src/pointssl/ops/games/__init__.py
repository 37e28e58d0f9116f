"""Cooperative games over regions of a cloud: coalitions, dividends, Shapley values, strength by order."""
