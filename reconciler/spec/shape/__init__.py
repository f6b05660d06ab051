"""The shape of fleet.yaml: for every section its keys, and the readers that turn them into desired values."""
