"""Where people are in a recording that nobody annotated."""
