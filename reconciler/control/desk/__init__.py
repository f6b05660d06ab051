"""The desk: where commands of the agents' world meet the log. The rules are in `work`; here they are given what they look
at, and what they decide is recorded, in one transaction, so that nobody overtakes a command between its look and its word.
"""
