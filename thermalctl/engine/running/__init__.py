"""How a training runs: step by step, saved so that it can go on from any of them, on one device or several."""
