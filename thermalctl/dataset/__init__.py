"""Recordings and annotations make samples."""
