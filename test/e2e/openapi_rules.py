# SPDX-License-Identifier: Apache-2.0
"""Hooks of schemathesis: which valid-looking requests the server may refuse.

JSON Schema says what each field may be, not how fields limit each other, nor how many tokens a text has. A request that
meets the schema may therefore be refused with these errors, and with no others.
"""

import json

import schemathesis

BEYOND_SCHEMA = [
    ("code", "context_length_exceeded"),  # A text has as many tokens as the tokenizer says.
    ("message", "The prompt has no tokens"),
    ("message", "Input 0 has no tokens"),  # A control character may be in no token.
    ("message", "'min_tokens' is"),  # Above max_tokens.
    ("message", "The request asks for"),  # Prompts times n.
    ("message", "Invalid 'logit_bias': keys are token ids"),  # A pattern knows no largest number.
    ("message", "The 'stream_options' parameter is only allowed when"),
    ("message", "'prompt_logprobs' is not available when 'stream' is true."),
    ("message", "'echo' with 'logprobs' is not available when 'stream' is true."),
    ("message", "'max_tokens' of 0 is not available when 'stream' is true."),
    ("param", "max_tokens"),  # 0 without echo.
    ("message", "The 'logprobs' parameter must be true to use 'top_logprobs'."),
]


SHORT = 4
ANSWER_LENGTHS = {"/v1/completions": ["max_tokens"], "/v1/responses": ["max_output_tokens"],
                  "/v1/chat/completions": ["max_tokens", "max_completion_tokens"]}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 400:
        return True
    error = json.loads(response.content)["error"]
    return not any((error[key] or "").startswith(value) for key, value in BEYOND_SCHEMA)


@schemathesis.hook
def map_case(context, case):
    """Makes valid requests agree with themselves, so that most of them get as far as an answer."""
    body = case.body
    if case.meta.generation.mode.is_positive and isinstance(body, dict):
        for name in ("prompt_logprobs", "echo") if body.get("stream") else ("stream_options",):
            body.pop(name, None)
        if not body.get("logprobs"):
            body.pop("top_logprobs", None)
        # Short answers: there are thousands.
        for name in ANSWER_LENGTHS.get(case.operation.path, ()):
            body[name] = min(body.get(name) or SHORT, SHORT)
        body["min_tokens"] = min(body.get("min_tokens") or 0, body.get("max_tokens") or 0)
        if body.get("prompt") == "":
            body["prompt"] = "a"
    return case
