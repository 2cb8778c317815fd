# SPDX-License-Identifier: Apache-2.0
"""`evalscope perf` on chat and on completions, streamed, one and four at a time: every request succeeds, every token counts."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

TOKENS, NUMBERS = 24, (4, 16)


def main(base_url, key):
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder, "prompts.txt")
        prompts.write_text("".join(f"Tell me in two sentences about topic number {i}, and why it matters.\n" for i in range(20)))
        for route in ("chat/completions", "completions"):
            out = Path(folder, route.replace("/", "-"))
            subprocess.run(
                [Path(sys.executable).parent / "evalscope", "perf", "--model", "model", "--url", f"{base_url}/{route}", "--api", "openai",
                 "--api-key", key, "--parallel", "1", "4", "--number", *map(str, NUMBERS), "--dataset", "line_by_line",
                 "--dataset-path", prompts, "--max-tokens", str(TOKENS), "--min-tokens", str(TOKENS), "--stream",
                 "--extra-args", json.dumps({"ignore_eos": True}), "--outputs-dir", out], check=True, timeout=1500)
            summaries = [json.loads(p.read_text()) for p in sorted(out.rglob("benchmark_summary.json"))]
            assert len(summaries) == len(NUMBERS), [str(p) for p in out.rglob("*")]
            assert sorted(s["Total Requests"] for s in summaries) == list(NUMBERS), summaries
            for s in summaries:
                assert s["Success Requests"] == s["Total Requests"] and s["Avg Output Tokens"] == TOKENS, s


if __name__ == "__main__":
    main(*sys.argv[1:])
