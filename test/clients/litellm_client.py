# SPDX-License-Identifier: Apache-2.0
"""LiteLLM against the server, as an OpenAI-compatible and as a vLLM endpoint."""

import asyncio
import sys

import litellm


def main(base_url, key):
    litellm.num_retries = 0
    messages = [{"role": "user", "content": "Name a river."}]
    for provider in ("openai", "hosted_vllm"):
        settings = {"model": f"{provider}/model", "api_base": base_url, "api_key": key, "temperature": 0, "max_tokens": 12}
        whole = litellm.completion(messages=messages, **settings)
        text = whole.choices[0].message.content
        assert text and whole.usage.completion_tokens <= 12, whole
        chunks = list(litellm.completion(messages=messages, stream=True, stream_options={"include_usage": True}, **settings))
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text, chunks
        assert litellm.stream_chunk_builder(chunks).choices[0].message.content == text
        again = asyncio.run(litellm.acompletion(messages=messages, **settings))
        assert again.choices[0].message.content == text
        for wrong, expected in (({"temperature": 9}, litellm.BadRequestError),
                                ({"messages": [{"role": "user", "content": "word " * 9000}]}, litellm.ContextWindowExceededError),
                                ({"model": f"{provider}/other"}, litellm.NotFoundError),
                                ({"api_key": "wrong-key-1"}, litellm.AuthenticationError)):
            try:
                litellm.completion(**{"messages": messages, **settings, **wrong})
            except expected:
                continue
            raise AssertionError(f"{provider}: {wrong} was not refused")
    text = litellm.text_completion(model="text-completion-openai/model", prompt="Once upon a time", api_base=base_url, api_key=key,
                                   max_tokens=8, temperature=0)
    assert text.choices[0].text, text


if __name__ == "__main__":
    main(*sys.argv[1:])
