#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes grafana.json beside it: a dashboard over what `tenon serve` shows at /metrics. Import it into Grafana."""

import json
from pathlib import Path

MODEL = 'model_name=~"$model_name"'


def quantile(q, metric, labels=MODEL):
    return f"histogram_quantile({q}, sum by (le) (rate({metric}_bucket{{{labels}}}[$__rate_interval])))"


def percentiles(metric, labels=MODEL):
    return [(quantile(q, metric, labels), name) for q, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))]


def rate(metric, by="model_name"):
    return f"sum by ({by}) (rate({metric}{{{MODEL}}}[$__rate_interval]))"


PANELS = [
    ("Time to first token", "s", percentiles("vllm:time_to_first_token_seconds")),
    ("Between tokens", "s", percentiles("vllm:inter_token_latency_seconds")),
    ("End to end", "s", percentiles("vllm:e2e_request_latency_seconds")),
    ("Tokens a second", "short", [(rate("vllm:prompt_tokens_total"), "prompt"), (rate("vllm:generation_tokens_total"), "generated")]),
    ("Sequences", "short", [(f"sum(vllm:num_requests_running{{{MODEL}}})", "running"),
                            (f"sum(vllm:num_requests_waiting{{{MODEL}}})", "waiting")]),
    ("Ends a second", "short", [(rate("vllm:request_success_total", "finished_reason"), "{{finished_reason}}"),
                                (rate("vllm:admission_rejections_total", "reason"), "refused: {{reason}}")]),
    ("KV blocks", "short", [(f"sum by (state) (tenon:kv_blocks{{{MODEL}}})", "{{state}}")]),
    ("Prefix hits", "percentunit", [(f'{rate("vllm:prefix_cache_hits_total")} / {rate("vllm:prefix_cache_queries_total")}', "share")]),
    ("Preemptions a second", "short", [(rate("vllm:num_preemptions_total"), "preemptions")]),
    ("Step, 99th percentile", "s", [(quantile(0.99, "tenon:step_seconds", MODEL + f',phase="{p}"'), p)
                                    for p in ("schedule", "execute", "sample", "emit")]),
    ("Rows of a step", "short", percentiles("vllm:iteration_tokens_total")),
    ("Share of the roofline", "percentunit", [(f'{rate("tenon:roofline_seconds_total")} / {rate("tenon:execute_seconds_total")}', "share")]),
    ("Empty places in KV blocks", "percentunit",
     [(f'sum by (model_name) (rate(tenon:kv_slots_total{{{MODEL},state="empty"}}[$__rate_interval])) / {rate("tenon:kv_slots_total")}', "share")]),
    ("Bytes moved a second of computing", "Bps", [(f'{rate("tenon:bytes_moved_total")} / {rate("tenon:execute_seconds_total")}', "bytes")]),
]


def panel(number, title, unit, targets):
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {"id": number + 1, "type": "timeseries", "title": title, "datasource": source,
            "gridPos": {"h": 8, "w": 8, "x": number % 3 * 8, "y": number // 3 * 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [{"datasource": source, "expr": expression, "legendFormat": legend, "refId": chr(65 + i)}
                        for i, (expression, legend) in enumerate(targets)]}


DASHBOARD = {
    "title": "Tenon", "uid": "tenon-serve", "schemaVersion": 39, "refresh": "5s", "time": {"from": "now-15m", "to": "now"},
    "templating": {"list": [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {"name": "model_name", "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"},
         "query": "label_values(vllm:num_requests_running, model_name)", "includeAll": True, "multi": True, "refresh": 2}]},
    "panels": [panel(i, *p) for i, p in enumerate(PANELS)],
}

if __name__ == "__main__":
    (Path(__file__).parent / "grafana.json").write_text(json.dumps(DASHBOARD, indent=1) + "\n")
