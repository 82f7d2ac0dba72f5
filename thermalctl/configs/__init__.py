"""Complete MMEngine configurations to start from."""
