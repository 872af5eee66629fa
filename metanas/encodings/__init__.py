"""Architectures as vectors and graphs, for predictors."""
