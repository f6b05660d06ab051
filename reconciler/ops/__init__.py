"""Care of the log and the machine: explanations, verification, rebuild, backup, diagnosis."""
