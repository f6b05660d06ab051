"""What people want: fleet.yaml read into typed, normalised values."""
