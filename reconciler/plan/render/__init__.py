"""Renderings of a plan: text for a terminal, Markdown for a pull request, one line an action for tests, JSON."""
