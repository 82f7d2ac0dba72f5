"""Which architectures there are, and how RGB weights are fitted to one thermal channel."""
