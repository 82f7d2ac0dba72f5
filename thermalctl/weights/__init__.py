"""Pretrained weights: the catalog and the download."""
