"""Frames as they come, from a file or from a sensor, and the windows of them that a model is shown."""
