"""The old squawk.json: its import into the event log, and the way back.

    file → records with their places → events and findings (pure) → one transaction, compared before it ends → file put away

    log → records of the old form (pure) → file

A record is whatever the old store kept: a mailbox, an event, a cursor, a lock. What of it has no place in our events travels
with them as `legacy`, so that the way back gives every record as it was.
"""
