"""The dock "Train a model"."""
