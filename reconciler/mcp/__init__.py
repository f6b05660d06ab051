"""The Model Context Protocol: agents of other makers join the fleet. A door like the others: every rule is asked of the desk.

One server is one specialist. It registers when it starts, shows signs of life while it runs, and leaves when it ends.
"""
