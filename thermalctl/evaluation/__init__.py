"""Predictions, metrics and baselines; numpy and scikit-learn, no torch."""
