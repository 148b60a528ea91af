"""The API reference as one HTML page made from the OpenAPI document, without scripts or external resources."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import orjson

STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid; }
article { margin: 1.5rem 0; }
h3 code { font-size: 1.05em; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; }
pre { overflow-x: auto; padding: .8rem; background: #8882; }
"""


def reference_page(description: dict[str, Any]) -> str:
    """Return the page. ``description`` is an OpenAPI 3.1 document.

    Links are relative, because a proxy may serve the page under a path prefix.
    """
    about = description["info"]
    parts = [f"<h1>{escape(about['title'])} {escape(about['version'])}</h1>", _paragraphs(about["description"])]
    parts.append('<p>Machine-readable: <a href="openapi.json">openapi.json</a>.</p>')
    for tag in description["tags"]:
        operations = [
            _operation(path, method, operation, description)
            for path, methods in description["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        parts += [f"<h2>{escape(tag['name'])}</h2>", _paragraphs(tag["description"]), *operations]
    head = f'<meta charset="utf-8"><title>{escape(about["title"])}</title>'
    view = '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="docs.css">'
    return f'<!doctype html><html lang="en"><head>{head}{view}</head><body>{"".join(parts)}</body></html>'


def _operation(path: str, method: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    title = f"<h3><code>{method.upper()} {escape(path)}</code> {escape(operation['summary'])}</h3>"
    parameters = [(item["name"], item["in"], _about(item)) for item in operation.get("parameters", [])]
    parts = [title, _paragraphs(operation.get("description", "")), _table(("parameter", "in", "meaning"), parameters)]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    parts += [_example("Request body", body, description)] if body else []
    responses = operation["responses"]
    parts.append(_table(("status", "meaning"), [(status, item["description"]) for status, item in responses.items()]))
    success = responses.get("200", {}).get("content", {}).get("application/json")
    parts += [_example("Response body", success, description)] if success else []
    return f"<article>{''.join(parts)}</article>"


def _about(parameter: dict[str, Any]) -> str:
    example = next(iter(parameter["schema"].get("examples", [])), None)
    text = parameter.get("description", "")
    return text if example is None else f"{text} For example {example}.".strip()


def _example(title: str, content: dict[str, Any], description: dict[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = description["components"]["schemas"].get(name, {})
    example = content.get("example", next(iter(schema.get("examples", [])), None))
    if example is None:
        return ""
    text = orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    return f"<details><summary>{title}</summary><pre>{escape(text)}</pre></details>"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in header)}</tr>{lines}</table>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.strip().split("\n\n") if part)
