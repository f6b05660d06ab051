"""GitOps: what runs follows a branch of a repository."""
