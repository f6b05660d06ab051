"""Renderings of a plan: text for a terminal, Markdown for a pull request, one line an item for tests, JSON for programs."""

from reconciler.plan.render.document import document, plan_from_document, saved_document
from reconciler.plan.render.lines import lines
from reconciler.plan.render.markdown import markdown
from reconciler.plan.render.text import text

__all__ = ["document", "lines", "markdown", "plan_from_document", "saved_document", "text"]
