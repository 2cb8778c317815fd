# SPDX-License-Identifier: Apache-2.0
"""`evalscope perf` on chat and on completions, streamed, one and four at a time: every request succeeds, every token counts."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

TOKENS, PARALLEL, NUMBERS = 24, (1, 4), (4, 16)
PROMPTS = [f"Tell me in two sentences about topic number {i}, and why it matters." for i in range(20)]


def measure(python, url, key, parallel, numbers, tokens, prompts=PROMPTS):
    """The summaries that evalscope, installed beside `python`, writes: one for each of `parallel`, with as many requests as its number.
    Nothing else is asked."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "prompts.txt"), Path(folder, "out")
        file.write_text("".join(prompt + "\n" for prompt in prompts))
        done = subprocess.run(
            [Path(python).parent / "evalscope", "perf", "--model", "model", "--url", url, "--api", "openai", "--api-key", key,
             "--parallel", *map(str, parallel), "--number", *map(str, numbers), "--dataset", "line_by_line", "--dataset-path", file,
             "--max-tokens", str(tokens), "--min-tokens", str(tokens), "--stream", "--no-test-connection",
             "--extra-args", json.dumps({"ignore_eos": True}), "--outputs-dir", out], capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        summaries = [json.loads(p.read_text()) for p in sorted(out.rglob("benchmark_summary.json"))]
    assert sorted(s["Total Requests"] for s in summaries) == sorted(numbers), summaries
    for s in summaries:
        assert s["Success Requests"] == s["Total Requests"] and s["Avg Output Tokens"] == tokens, s
    return summaries


def main(base_url, key):
    for route in ("chat/completions", "completions"):
        measure(sys.executable, f"{base_url}/{route}", key, PARALLEL, NUMBERS, TOKENS)


if __name__ == "__main__":
    main(*sys.argv[1:])
