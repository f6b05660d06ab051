"""The pure difference between desired and projected: diff, dependency graph, plan and its renderings."""
