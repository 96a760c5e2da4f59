"""The command ``m3i``: what the tools do, without the repository."""
