"""What happened, told from what a model answers to window after window."""
