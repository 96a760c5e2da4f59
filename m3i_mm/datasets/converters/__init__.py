"""Builders of the data sets that this project ships or generates."""
