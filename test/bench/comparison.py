# SPDX-License-Identifier: Apache-2.0
"""From samples to medians, ratios and tables. Pure: no process, no clock, no file.

A report is {"model", "machine", "threads", "rounds", "new_tokens", "versions", "tenon", "contestants": [name],
"samples": [{"round", "name", "cells": [cells.figures()], ...} or {"round", "name", "unsupported": why}]}.
"""

import statistics

OURS = "Tenon"
METRICS = {"prefill_tokens_per_second": "Prefill, tokens/s", "decode_tokens_per_second": "Decode, tokens/s"}


def _value(sample, cell, metric):
    for figures in sample.get("cells", ()):
        if (figures["sequences"], figures["tokens"]) == cell:
            return figures.get(metric)
    return None


def cellsOf(report):
    """All cells that anybody measured, in order of first appearance."""
    found = {}
    for sample in report["samples"]:
        for figures in sample.get("cells", ()):
            found.setdefault((figures["sequences"], figures["tokens"]))
    return list(found)


def unsupported(report):
    """Contestant -> why it was not measured."""
    return {s["name"]: s["unsupported"] for s in report["samples"] if "unsupported" in s}


def compare(report):
    """A row for each metric and cell: medians by contestant, the best peer, and ours over it.

    The ratio is the median of the rounds' ratios: within a round the contestants ran one after the other, so that what
    slows the machine for a while cancels.
    """
    rows = []
    for metric in METRICS:
        for cell in cellsOf(report):
            taken = {}
            for sample in report["samples"]:
                value = _value(sample, cell, metric)
                if value is not None:
                    taken.setdefault(sample["name"], {})[sample["round"]] = value
            if not taken:
                continue
            medians = {name: statistics.median(values.values()) for name, values in taken.items()}
            peers = [name for name in medians if not name.startswith(OURS)]
            best = max(peers, key=medians.get, default=None)
            row = {"metric": metric, "sequences": cell[0], "tokens": cell[1], "medians": medians, "best_peer": best,
                   "ratio": None}
            ours = next((name for name in medians if name.startswith(OURS)), None)
            if best and ours:
                paired = [taken[ours][r] / taken[best][r] for r in taken[ours] if r in taken[best]]
                row["ratio"] = statistics.median(paired) if paired else medians[ours] / medians[best]
            rows.append(row)
    return rows


def markdown(report):
    """The tables of docs/benchmarks.md."""
    rows, missing = compare(report), unsupported(report)
    names = [name for name in report["contestants"] if name not in missing]
    lines = [f"{report['model']}: {report['machine']}, {report['threads']} threads, {report['new_tokens']} new tokens, "
             f"medians of {report['rounds']} rounds; " +
             ", ".join(f"{package} {version}" for package, version in report["versions"].items()) +
             (f"; Tenon at {report['tenon']}" if report.get("tenon") else "") + ".", ""]
    for metric, title in METRICS.items():
        mine = [row for row in rows if row["metric"] == metric]
        if not mine:
            continue
        where = "prompt" if metric.startswith("prefill") else "after tokens"
        lines.append(f"| {title}: sequences | {where} | " + " | ".join(names) + " | best peer | Tenon / it |")
        lines.append("|---:|---:|" + "---:|" * len(names) + "---|---:|")
        for row in mine:
            values = [f"{row['medians'][n]:,.1f}" if n in row["medians"] else "" for n in names]
            values = [f"**{v}**" if v and n == row["best_peer"] else v for n, v in zip(names, values)]
            ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else ""
            lines.append(f"| {row['sequences']} | {row['tokens'] or 'empty'} | " + " | ".join(values) +
                         f" | {row['best_peer'] or ''} | {ratio} |")
        lines.append("")
    peaks = {}
    for sample in report["samples"]:
        if "peak_rss_bytes" in sample:
            peaks.setdefault(sample["name"], []).append(sample["peak_rss_bytes"])
    if peaks:
        lines.append("Peak resident memory of a process that measures all cells: " + ", ".join(
            f"{name} {statistics.median(values) / 1e6:,.0f} MB" for name, values in peaks.items()) + ".")
    for name, why in missing.items():
        lines.append(f"Not run: {name} ({why}).")
    return "\n".join(lines).rstrip() + "\n"
