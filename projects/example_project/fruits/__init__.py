"""A user's own package: data sets with their classes."""
