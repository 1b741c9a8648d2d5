"""The streaming step of a trained model as a list of ops on named tensors: read, simplified, run, quantized, taught."""
