"""A trained model at work on recordings and streams that nobody annotated."""
