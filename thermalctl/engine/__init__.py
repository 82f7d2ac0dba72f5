"""Builds MMEngine's Runner from a configuration and a dataset, and runs it."""
