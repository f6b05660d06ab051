"""The rules of the agents' world, without any I/O."""
