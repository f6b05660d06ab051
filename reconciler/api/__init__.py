"""HTTP: the fleet for agents and tools. Routers only; every rule is asked of the rooms below."""
