"""Clips as pictures: contact sheets, animations and terminal frames."""
