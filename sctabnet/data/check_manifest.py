"""Whether a data manifest says what its schema asks for."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sctabnet._errors import InputError
from sctabnet.data.manifest_path import manifest_path


def check_manifest(manifest: str) -> dict[str, Any]:
    """Check every row of a manifest against ``schema.json``; nothing is downloaded.

    Parameters
    ----------
    manifest
        Name of a manifest, or the path of a ``.tsv``.

    Returns
    -------
    dict
        ``rows``, ``fetchable`` (rows with an address), ``verified`` (rows with a digest too),
        ``cells`` (sum of the known numbers) and ``unknown`` (how often each column is unknown).

    Raises
    ------
    ValueError
        If a column is missing or too many, an id occurs twice, or a value is not what its column
        may hold; every problem is named with its row.
    """
    path = manifest_path(manifest)
    columns = json.loads(manifest_path("schema.json").read_text(encoding="utf-8"))["properties"]
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        names = list(reader.fieldnames or [])
        rows = list(reader)
    problems = _wrong_columns(names, list(columns)) or _wrong_rows(rows, columns, path.parent)
    if problems:
        more = f" And {len(problems) - 10} more." if len(problems) > 10 else ""
        raise InputError(
            f"{path} is not as data_manifests/schema.json asks for. Found: "
            f"{'; '.join(problems[:10])}.{more} Correct these; write `unknown` where nobody knows."
        )
    fetchable = [row for row in rows if row["url"] != "unknown"]
    unknown = Counter(name for row in rows for name in row if row[name] == "unknown")
    return {
        "rows": len(rows),
        "fetchable": len(fetchable),
        "verified": sum(row["sha256"] != "unknown" for row in fetchable),
        "cells": sum(int(row["n_obs"]) for row in rows if row["n_obs"] != "unknown"),
        "unknown": dict(unknown),
    }


def _wrong_columns(names: list[str], wanted: list[str]) -> list[str]:
    missing = [f"no column {name!r}" for name in wanted if name not in names]
    extra = []
    for name in names:
        if name not in wanted:
            close = get_close_matches(name, wanted, n=1)
            extra.append(f"column {name!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    return missing + extra


def _wrong_rows(rows: list[dict[str, str]], columns: dict[str, Any], folder: Path) -> list[str]:
    problems = [] if rows else ["no row"]
    ids = Counter(row["id"] for row in rows)
    problems += [f"the id {name!r} {count} times" for name, count in ids.items() if count > 1]
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            problems.append(f"line {number} has another number of fields than the header")
            continue
        for name, value in row.items():
            local = name == "url" and (folder / value).exists()
            if not local and re.search(columns[name]["pattern"], value) is None:
                problems.append(f"{name}={value!r} in line {number} ({row['id']})")
        if row["url"] == row["accession"] == "unknown":
            problems.append(f"neither url nor accession in line {number} ({row['id']})")
    return problems
