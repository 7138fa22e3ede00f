"""Reports as files, each whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from finops_ai.domain.report import Report
from finops_ai.reporting.data import csv_files, to_json
from finops_ai.reporting.html import render_html
from finops_ai.reporting.markdown import render_markdown


def write_report(report: Report, folder: Path) -> dict[str, str]:
    """Write all formats of a report under `folder`; format to path."""
    name = f"report-{report.week_name}"
    texts = {"html": render_html(report), "md": render_markdown(report), "json": to_json(report)}
    places = {suffix: folder / f"{name}.{suffix}" for suffix in texts}
    for suffix, text in texts.items():
        put(places[suffix], text.encode())
    tables = folder / name
    for file, text in csv_files(report).items():
        put(tables / f"{file}.csv", text.encode())
    return {suffix: str(path) for suffix, path in places.items()} | {"csv": str(tables)}


def put(path: Path, content: bytes) -> None:
    """Write a file whole: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(content)
    new.replace(path)
