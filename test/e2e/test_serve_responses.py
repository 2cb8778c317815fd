# SPDX-License-Identifier: Apache-2.0
"""Functions that /v1/responses may call: whole, streamed event by event, through the Python client, and over several turns."""

import json
import unittest

from serving import Server
from tenon_cli import STRICT, compile_engine, model

try:
    import openai
except ImportError:
    if STRICT:
        raise
    openai = None

PARAMETERS = {"type": "object", "required": ["place", "days"], "additionalProperties": False, "properties": {
    "place": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9}}}
TOOLS = [{"type": "function", "name": name, "description": f"{name} of a place", "parameters": PARAMETERS, "strict": True}
         for name in ("get_weather", "get_population")]
ASK = "What is the weather in Paris over the next 3 days?"


class ResponseToolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model("smollm2")), "--grammar-timeout-ms", "20000")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def body(self, **fields):
        return {"model": "model", "input": ASK, "tools": TOOLS, "temperature": 0, "max_output_tokens": 300, **fields}

    def respond(self, **fields):
        return self.server.post("/v1/responses", self.body(**fields))

    def events(self, **fields):
        connection = self.server.connect()
        try:
            connection.request("POST", "/v1/responses", json.dumps(self.body(stream=True, **fields)))
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            parts = response.read().decode().split("\n\n")
        finally:
            connection.close()
        self.assertEqual(parts.pop(), "")
        events = []
        for part in parts:
            name, data = part.split("\n")
            events.append(json.loads(data.removeprefix("data: ")))
            self.assertEqual(name, "event: " + events[-1]["type"])
        self.assertEqual([e["sequence_number"] for e in events], list(range(len(events))))
        return events

    def checkCall(self, call, names=("get_weather", "get_population")):
        self.assertEqual((call["type"], call["status"]), ("function_call", "completed"))
        self.assertIn(call["name"], names)
        arguments = json.loads(call["arguments"])
        self.assertEqual(set(arguments), {"place", "days"})
        self.assertIn(arguments["days"], range(1, 10))
        self.assertTrue(call["id"].startswith("fc_") and call["call_id"].startswith("call_"))

    def testRequiredAndNamedFunctionsAreCalled(self):
        for choice, names in (("required", ("get_weather", "get_population")),
                              ({"type": "function", "name": "get_population"}, ("get_population",))):
            answer = self.respond(tool_choice=choice, parallel_tool_calls=False)
            self.assertEqual(answer["status"], "completed")
            self.assertEqual(len(answer["output"]), 1)
            self.checkCall(answer["output"][0], names)
            self.assertEqual((answer["tool_choice"], answer["tools"], answer["parallel_tool_calls"]), (choice, TOOLS, False))

    def testStreamsSayTheSame(self):
        whole = self.respond(tool_choice="required", parallel_tool_calls=False)["output"][0]
        events = self.events(tool_choice="required", parallel_tool_calls=False)
        self.assertEqual([e["type"] for e in events[:3]], ["response.created", "response.in_progress", "response.output_item.added"])
        added = events[2]["item"]
        self.assertEqual((added["type"], added["status"], added["arguments"], added["name"]), ("function_call", "in_progress", "", whole["name"]))
        deltas = [e for e in events if e["type"] == "response.function_call_arguments.delta"]
        self.assertGreater(len(deltas), 3)
        self.assertEqual({(e["item_id"], e["output_index"]) for e in deltas}, {(added["id"], 0)})
        self.assertEqual("".join(e["delta"] for e in deltas), whole["arguments"])
        done, item, last = events[-3:]
        self.assertEqual((done["type"], done["arguments"]), ("response.function_call_arguments.done", whole["arguments"]))
        self.assertEqual(item["type"], "response.output_item.done")
        self.checkCall(item["item"])
        self.assertEqual((last["type"], last["response"]["output"]), ("response.completed", [item["item"]]))

    def testAnAnswerThatIsCutOffSaysSo(self):
        events = self.events(tool_choice="required", max_output_tokens=28)
        last = events[-1]["response"]
        self.assertEqual((events[-1]["type"], last["status"]), ("response.incomplete", "incomplete"))
        self.assertEqual(last["output"][-1]["status"], "incomplete")

    def testAutoAndNoneLeaveText(self):
        answer = self.respond(max_output_tokens=60)
        for item in answer["output"]:
            if item["type"] == "function_call" and item["status"] == "completed":
                self.checkCall(item)
        events = self.events(tool_choice="none", max_output_tokens=12)
        kinds = [e["type"] for e in events]
        self.assertEqual(kinds[2:4], ["response.output_item.added", "response.content_part.added"])
        text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
        self.assertEqual(events[-1]["response"]["output"][0]["content"][0]["text"], text)
        self.assertTrue(text)

    def testAConversationGoesOnWithResults(self):
        call = self.respond(tool_choice="required", parallel_tool_calls=False)["output"][0]
        turns = [{"role": "user", "content": ASK}, call, {"type": "reasoning", "id": "rs_1", "summary": []},
                 {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny, 21 C"}]
        answer = self.respond(input=turns, tool_choice="none", max_output_tokens=20)
        self.assertEqual(answer["output"][0]["type"], "message")
        # The prompt is that of the same conversation as a chat.
        chat = self.server.post("/v1/chat/completions", {
            "model": "model", "temperature": 0, "max_tokens": 20, "tool_choice": "none",
            "messages": [{"role": "user", "content": ASK}, {"role": "assistant", "content": None, "tool_calls": [
                {"id": call["call_id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}]},
                {"role": "tool", "tool_call_id": call["call_id"], "content": "sunny, 21 C"}]})
        self.assertEqual(answer["usage"]["input_tokens"], chat["usage"]["prompt_tokens"])
        self.assertEqual(answer["output"][0]["content"][0]["text"], chat["choices"][0]["message"]["content"])

    def testWhatIsWrongIsNamed(self):
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        for fields, param in (
                ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
                ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
                ({"tools": TOOLS + TOOLS[:1]}, "tools[2].name"),
                ({"tools": [{"type": "function", "name": "f", "parameters": {"type": "array"}}]}, "tools[0].parameters"),
                ({"tool_choice": {"type": "function"}}, "tool_choice.name"), ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
                ({"tools": [], "tool_choice": "required"}, "tool_choice"),
                ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
                ({"input": [{**call, "arguments": 3}]}, "input[0].arguments"),
                ({"input": [call, {"type": "function_call_output", "call_id": "c"}]}, "input[1].output"),
                ({"input": [{"type": "function_call_output", "call_id": "c", "output": 7}]}, "input[0].content"),
                ({"input": [call, call, {"role": "nobody", "content": "x"}]}, "input[2].role")):
            with self.subTest(param=param):
                status, _, answer = self.server.request("POST", "/v1/responses", self.body(**fields))
                self.assertEqual(status, 400)
                self.assertEqual(answer["error"]["param"], param)
                self.assertNotIn("messages[", answer["error"]["message"])

    @unittest.skipIf(openai is None, "the package openai is missing (tools/setup installs it)")
    def testThePythonClient(self):
        with openai.OpenAI(base_url=f"http://127.0.0.1:{self.server.port}/v1", api_key="any", max_retries=0) as client:
            common = {"model": "model", "tools": TOOLS, "temperature": 0, "max_output_tokens": 300}
            first = client.responses.create(**common, input=ASK, tool_choice="required", parallel_tool_calls=False)
            call = first.output[0]
            self.assertEqual(call.type, "function_call")
            with client.responses.stream(**common, input=ASK, tool_choice="required", parallel_tool_calls=False) as stream:
                kinds = {event.type for event in stream}
                final = stream.get_final_response()
            self.assertIn("response.function_call_arguments.delta", kinds)
            self.assertEqual(final.output[0].arguments, call.arguments)
            turns = [{"role": "user", "content": ASK}, *first.output,
                     {"type": "function_call_output", "call_id": call.call_id, "output": [{"type": "input_text", "text": "sunny"}]}]
            second = client.responses.create(**{**common, "max_output_tokens": 20}, input=turns, tool_choice="none")
            self.assertTrue(second.output_text)


if __name__ == "__main__":
    unittest.main()
