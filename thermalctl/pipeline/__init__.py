"""A clip's way from the dataset to the model's input."""
