"""The agents' world: specialists, missions and sorties, messages, file locks, checkpoints and reviews.

Commands here check rules against typed state and return the events that follow. They do no I/O, read no clock and draw
no ids: whoever calls them passes the time and the ids in, and appends what comes back.
"""
