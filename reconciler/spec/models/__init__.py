"""The shape of fleet.yaml as pydantic models: the source of the published JSON Schema.

Loading does not go through them, since it has a place for every error and starts faster; a test holds the two together.
"""
