"""Layers and networks without biases, dense and convolutional alike."""
