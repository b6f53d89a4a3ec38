"""The HTML around the parts of the page."""

from __future__ import annotations

from typing import Any

import jinja2

TITLE = "matact explore"
TEMPLATE = """
{% extends base %}
{% block postamble %}
<style>
  body { margin: 0; background: #fff; color: #333; font-family: system-ui, sans-serif; }
  main { display: grid; grid-template-columns: 230px minmax(700px, 1fr); gap: 24px; padding: 14px 20px; }
  h1 { font-size: 17px; font-weight: 600; margin: 0 5px 10px; }
  .top { display: grid; grid-template-columns: 1fr 360px; gap: 18px; }
  .summary { padding-top: 8px; }
</style>
{% endblock %}
{% block contents %}
<main>
  <section><h1>TITLE</h1>{{ embed(roots.controls) }}</section>
  <section>
    <div class="top"><div>{{ embed(roots.curves) }}</div><div class="summary">{{ embed(roots.summary) }}</div></div>
    {{ embed(roots.outputs) }}
    {{ embed(roots.derivatives) }}
    {{ embed(roots.table) }}
  </section>
</main>
{% endblock %}
"""


def template() -> Any:
    """What bokeh fills in; ``base`` is its own template."""
    return jinja2.Template(TEMPLATE.replace("TITLE", TITLE))
