"""Processes of this machine as a runtime: started detached, found again by the marks in their environment."""
