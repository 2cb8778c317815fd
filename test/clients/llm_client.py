# SPDX-License-Identifier: Apache-2.0
"""The command line `llm` with the server as one of its models: streamed, whole, and a conversation that goes on."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main(base_url, key):
    with tempfile.TemporaryDirectory() as home:
        Path(home, "extra-openai-models.yaml").write_text(json.dumps(
            [{"model_id": "tenon", "model_name": "model", "api_base": base_url, "api_key_name": "tenon"}]))
        Path(home, "keys.json").write_text(json.dumps({"tenon": key}))

        def llm(*arguments, code=0):
            done = subprocess.run([Path(sys.executable).parent / "llm", *arguments], capture_output=True, text=True, timeout=300,
                                  env={**os.environ, "LLM_USER_PATH": home}, stdin=subprocess.DEVNULL)
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
            return (done.stdout if code == 0 else done.stderr).strip()

        settings = ("-m", "tenon", "-o", "temperature", "0", "-o", "max_tokens", "12")
        streamed = llm(*settings, "Name a river.")
        assert streamed and llm(*settings, "--no-stream", "Name a river.") == streamed, streamed
        assert llm(*settings, "-c", "And another.")
        last = json.loads(llm("logs", "-n", "1", "--json"))[0]
        assert last["output_tokens"] <= 12 and last["input_tokens"] > 40, last
        assert "max_tokens" in llm("-m", "tenon", "-o", "max_tokens", "0", "x", code=1)  # The server's own words.


if __name__ == "__main__":
    main(*sys.argv[1:])
