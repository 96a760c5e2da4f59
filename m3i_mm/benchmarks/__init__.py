"""Speed, memory and operations of models, ops and data, as measured."""
