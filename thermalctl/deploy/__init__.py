"""From a trained model to a product: ONNX."""
