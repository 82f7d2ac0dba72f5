"""Who did what: COCO-style files and the class list."""
