"""From a config and a command line to a run: reading, checking, building."""
