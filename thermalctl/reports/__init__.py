"""Figures and pages made of results; no torch."""
