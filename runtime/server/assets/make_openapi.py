#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes openapi.json beside it: what the routes take and give. Run it after changing a route.

A string such as "@context" stands for a fact of the served model or a limit of the operator, which the server
puts in (runtime/server/ApiDescription.cpp). What JSON Schema cannot say, above all how fields limit each other, is in
the descriptions; test/e2e/test_serve_openapi.py lists it too."""

import json
from pathlib import Path

STRING, BOOLEAN = {"type": "string"}, {"type": "boolean"}
MODEL = {"type": "string", "enum": ["@model"]}
TOKEN = {"type": "integer", "minimum": 0, "maximum": "@lastToken"}


def integer(least=None, most=None):
    return {"type": "integer", **({"minimum": least} if least is not None else {}), **({"maximum": most} if most is not None else {})}


def number(least, most):
    return {"type": "number", "minimum": least, "maximum": most}


def text(most):
    return {"type": "string", "maxLength": most}


def array(items, **more):
    return {"type": "array", "items": items, **more}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(properties):
    """null counts as absent."""
    return {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in properties.items()}


def body(required, properties):
    return {"type": "object", "required": required, "properties": {
        **{name: properties[name] for name in required},
        **nullable({name: schema for name, schema in properties.items() if name not in required})}}


# Schemas of any kind are taken (docs/serving.md says which keywords are kept); these are the plainest.
JSON_SCHEMA = {"type": "object", "description": "A JSON schema", "properties": {
    "type": {"enum": ["object", "string", "integer", "number", "boolean", "null"]},
    "properties": {"type": "object", "additionalProperties": {"anyOf": [ref("JsonSchema"), BOOLEAN]}}}}

RESPONSE_FORMAT = {"description": "Also vLLM's structured_outputs: json, regex, choice or grammar", "anyOf": [
    {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}},
    {"type": "object", "required": ["type", "json_schema"], "properties": {"type": {"const": "json_schema"}, "json_schema": {
        "type": "object", "required": ["name", "schema"], "properties": {
            "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "strict": {"anyOf": [BOOLEAN, {"type": "null"}]},
            "schema": ref("JsonSchema")}}}}]}

SAMPLING = {
    "temperature": number(0, 2), "top_p": number(0, 1), "min_p": number(0, 1), "top_k": integer(-1, "@vocabulary"),
    "presence_penalty": number(-2, 2), "frequency_penalty": number(-2, 2), "repetition_penalty": number(0.01, 100),
    "seed": integer(-2**63, 2**63 - 1), "ignore_eos": BOOLEAN, "skip_special_tokens": BOOLEAN,
    "min_tokens": {**integer(0, "@context"), "description": "At most the answer's tokens."},
    "priority": {**integer(-2**31, 2**31 - 1), "description": "Lower runs earlier."},
    "stop": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": "@stopCharacters"},
                       array({"type": "string", "minLength": 1, "maxLength": "@stopCharacters"}, maxItems="@stopStrings")]},
    "stop_token_ids": array(TOKEN, maxItems="@stopTokenIds"),
    "logit_bias": {"type": "object", "propertyNames": {"pattern": "^[0-9]{1,7}$"}, "maxProperties": "@logitBias",
                   "additionalProperties": {"anyOf": [number(-100, 100), {"type": "null"}]},
                   "description": "By token id."},
    "user": text(4096), "stream": BOOLEAN,
}
SHARED = {
    "model": MODEL, **SAMPLING, "response_format": RESPONSE_FORMAT,
    "n": {**integer(1, "@choices"), "description": "Prompts times n are @fanOut at most."},
    "prompt_logprobs": {**integer(0, "@topLogprobs"), "description": "For whole answers only."},
    "stream_options": {"type": "object", "properties": {"include_usage": {"anyOf": [BOOLEAN, {"type": "null"}]}},
                       "description": "Only with stream."},
}

MESSAGE = {"type": "object", "required": ["role", "content"], "properties": {
    "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
    "content": {"anyOf": [STRING, array({"type": "object", "required": ["type", "text"],
                                         "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": STRING}})]},
    "name": {"anyOf": [text(1024), {"type": "null"}]}}}
MESSAGES = array(ref("Message"), minItems=1, maxItems="@messages")

FUNCTION = {
    "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}, "description": {"anyOf": [STRING, {"type": "null"}]},
    "parameters": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {
        "type": {"const": "object"}, "properties": {"type": "object", "additionalProperties": {"anyOf": [ref("JsonSchema"), BOOLEAN]}}}}]}}
TOOL = {"type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"}, "function": {
    "type": "object", "required": ["name"], "properties": FUNCTION}}}
FLAT_TOOL = {"type": "object", "required": ["type", "name"], "properties": {"type": {"const": "function"}, **FUNCTION}}
TOOL_CHOICE = {"description": "With tools also 'required' or a function", "enum": ["none", "auto"]}

SCHEMAS = {
    "JsonSchema": JSON_SCHEMA,
    "Error": {"type": "object", "required": ["error"], "additionalProperties": False, "properties": {"error": {
        "type": "object", "required": ["message", "type", "param", "code"], "additionalProperties": False,
        "properties": {"message": STRING, "type": STRING, "param": {"type": ["string", "null"]},
                       "code": {"type": ["string", "null"]}}}}},
    "Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"], "properties": {
        "prompt_tokens": integer(0), "completion_tokens": integer(0), "total_tokens": integer(0),
        "prompt_tokens_details": {"type": "object", "properties": {"cached_tokens": integer(0)}}}},
    "Message": MESSAGE,
    "ChatRequest": body(["model", "messages"], {
        **SHARED, "messages": MESSAGES, "max_tokens": integer(1, "@context"),
        "max_completion_tokens": integer(1, "@context"), "logprobs": BOOLEAN,
        "top_logprobs": {**integer(0, "@topLogprobs"), "description": "Only with logprobs."}, "tools": array(TOOL, maxItems=1),
        "parallel_tool_calls": BOOLEAN, "tool_choice": TOOL_CHOICE}),
    "ChatAnswer": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
        "id": STRING, "object": {"const": "chat.completion"}, "created": integer(), "model": STRING,
        "system_fingerprint": STRING, "usage": ref("Usage"),
        "choices": array({"type": "object", "required": ["index", "message", "logprobs", "finish_reason"], "properties": {
            "index": integer(0), "finish_reason": {"enum": ["stop", "length", "tool_calls"]},
            "message": {"type": "object", "required": ["role", "content", "refusal"]},
            "logprobs": {"type": ["object", "null"]}}})}},
    "CompletionRequest": body(["model", "prompt"], {
        **SHARED, "prompt": {"anyOf": [STRING, array(STRING, minItems=1, maxItems="@fanOut"), array(TOKEN, minItems=1),
                                       array(array(TOKEN, minItems=1), minItems=1, maxItems="@fanOut")]},
        "max_tokens": {**integer(0, "@context"), "description": "0 only with echo: it scores the prompt."},
        "logprobs": integer(0, "@topLogprobs"),
        "echo": {**BOOLEAN, "description": "With logprobs for whole answers only."}}),
    "CompletionAnswer": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
        "id": STRING, "object": {"const": "text_completion"}, "created": integer(), "model": STRING,
        "system_fingerprint": STRING, "usage": ref("Usage"),
        "choices": array({"type": "object", "required": ["index", "text", "logprobs", "finish_reason"], "properties": {
            "index": integer(0), "text": STRING, "logprobs": {"type": ["object", "null"]},
            "finish_reason": {"enum": ["stop", "length"]}}})}},
    "ResponseRequest": body(["model", "input"], {
        "model": MODEL, **SAMPLING, "input": {"anyOf": [STRING, MESSAGES], "description": "Messages, calls of functions and their results"},
        "instructions": STRING, "tools": array(FLAT_TOOL, maxItems=1), "parallel_tool_calls": BOOLEAN, "tool_choice": TOOL_CHOICE,
        "max_output_tokens": integer(1, "@context"), "metadata": {"type": "object"}}),
    "ResponseAnswer": {"type": "object", "required": ["id", "object", "created_at", "status", "model", "output", "usage"],
                       "properties": {"object": {"const": "response"}, "status": {"enum": ["completed", "incomplete"]}}},
    "EmbeddingRequest": body(["model", "input"], {
        "model": MODEL, "input": {"anyOf": [
            {"type": "string", "minLength": 1}, array({"type": "string", "minLength": 1}, minItems=1, maxItems="@embeddingInputs"),
            array(TOKEN, minItems=1), array(array(TOKEN, minItems=1), minItems=1, maxItems="@embeddingInputs")]},
        "encoding_format": {"enum": ["float", "base64"]}, "dimensions": integer(1, "@hidden"), "pooling": {"enum": ["last", "mean"]},
        "normalize": BOOLEAN, "add_special_tokens": BOOLEAN, "priority": {**integer(-2**31, 2**31 - 1), "description": "Lower runs earlier."},
        "user": text(4096)}),
    "EmbeddingAnswer": {"type": "object", "required": ["object", "data", "model", "usage"], "properties": {
        "object": {"const": "list"}, "data": array({"type": "object", "required": ["object", "index", "embedding"], "properties": {
            "object": {"const": "embedding"}, "index": integer(0), "embedding": {"anyOf": [array({"type": "number"}), STRING]}}}),
        "model": STRING, "usage": {"type": "object", "required": ["prompt_tokens", "total_tokens"], "properties": {
            "prompt_tokens": integer(), "total_tokens": integer()}}}},
    "TokenizeRequest": {"anyOf": [
        body(["prompt"], {"model": MODEL, "prompt": STRING, "add_special_tokens": BOOLEAN, "return_token_strs": BOOLEAN}),
        body(["messages"], {"model": MODEL, "messages": MESSAGES, "add_generation_prompt": BOOLEAN,
                             "return_token_strs": BOOLEAN})]},
    "TokenizeAnswer": {"type": "object", "required": ["count", "max_model_len", "tokens", "token_strs"], "properties": {
        "count": integer(0), "max_model_len": integer(1), "tokens": array(integer(0)), "token_strs": {"type": ["array", "null"]}}},
    "DetokenizeRequest": body(["tokens"], {"model": MODEL, "tokens": array(TOKEN)}),
    "DetokenizeAnswer": {"type": "object", "required": ["prompt"], "properties": {"prompt": STRING}},
    "Model": {"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {
        "id": STRING, "object": {"const": "model"}, "created": integer(), "owned_by": STRING, "max_model_len": integer(1)}},
    "ModelList": {"type": "object", "required": ["object", "data"], "properties": {
        "object": {"const": "list"}, "data": array(ref("Model"))}},
    "Event": {"type": "object", "required": ["data"], "properties": {
        "event": STRING, "data": {"type": "string", "description": "JSON, or [DONE] at the end of a stream of chunks."}}},
    "Anything": {"type": "object"},
}


def content(kind, schema):
    return {kind: {"schema": schema}}


def failures(*statuses):
    return {str(s): {"description": "An error", "content": content("application/json", ref("Error"))} for s in statuses}


def post(summary, request, answer, streams=False):
    good = content("application/json", ref(answer))
    if streams:
        good |= content("text/event-stream", ref("Event"))
    return {"post": {"summary": summary, "requestBody": {"required": True, "content": content("application/json", ref(request))},
                     "responses": {"200": {"description": "The answer", "content": good},
                                   **failures(400, 401, 404, 408, 413, 431, 500, 503, 504)}}}


def get(summary, schema, kind="application/json", *more, parameters=()):
    return {"get": {"summary": summary, **({"parameters": list(parameters)} if parameters else {}),
                    "responses": {"200": {"description": "The answer", "content": content(kind, schema)},
                                  **failures(401, *more)}}}


MODEL_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Tenon", "version": "1", "description": "The OpenAI API as `tenon serve` speaks it."},
    "paths": {
        "/v1/chat/completions": post("Answer a conversation", "ChatRequest", "ChatAnswer", True),
        "/v1/completions": post("Continue a text", "CompletionRequest", "CompletionAnswer", True),
        "/v1/responses": post("Answer an input", "ResponseRequest", "ResponseAnswer", True),
        "/v1/embeddings": post("Vectors for texts", "EmbeddingRequest", "EmbeddingAnswer"),
        "/v1/models": get("The model served", ref("ModelList")),
        "/v1/models/{id}": get("One model", ref("Model"), "application/json", 404, parameters=[MODEL_ID]),
        "/tokenize": post("Ids of a text", "TokenizeRequest", "TokenizeAnswer"),
        "/detokenize": post("Text of ids", "DetokenizeRequest", "DetokenizeAnswer"),
        "/health": get("Is the process alive?", ref("Anything")),
        "/ready": get("Does it take work?", ref("Anything"), "application/json", 503),
        "/version": get("What runs here", ref("Anything")),
        "/metrics": get("Figures for Prometheus", STRING, "text/plain"),
    },
    "components": {"schemas": SCHEMAS, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    "security": [{}, {"key": []}],
}

if __name__ == "__main__":
    (Path(__file__).parent / "openapi.json").write_text(json.dumps(DOCUMENT, indent=1) + "\n")
