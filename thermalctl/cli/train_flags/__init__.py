"""The flags of `thermalctl train`, by kind; the records they fill are in `thermalctl.engine.choices`."""
