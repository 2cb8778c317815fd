# SPDX-License-Identifier: Apache-2.0
"""The official Python client against the server: every call it makes, and its exception for every error."""

import unittest

from serving import Server
from tenon_cli import STRICT, compile_engine, model

try:
    import openai
except ImportError:
    if STRICT:
        raise
    openai = None


@unittest.skipIf(openai is None, "the package openai is missing (tools/setup installs it)")
class OpenAiClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(compile_engine(model("smollm2")), "--api-key", "test-key-1")
        cls.client = openai.OpenAI(base_url=f"http://127.0.0.1:{cls.server.port}/v1", api_key="test-key-1", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.__exit__(None, None, None)

    MESSAGES = [{"role": "user", "content": "Name a river."}]

    def testChatWholeAndStreaming(self):
        whole = self.client.chat.completions.create(model="model", messages=self.MESSAGES, max_tokens=12, temperature=0, n=2,
                                                    logprobs=True, top_logprobs=2)
        self.assertEqual(whole.choices[0].message.role, "assistant")
        self.assertEqual(len(whole.choices[0].logprobs.content), whole.usage.completion_tokens // 2 -
                         (whole.choices[0].finish_reason == "stop"))
        stream = self.client.chat.completions.create(model="model", messages=self.MESSAGES, max_tokens=12, temperature=0,
                                                     stream=True, stream_options={"include_usage": True})
        text, usage = "", None
        for chunk in stream:
            text += "".join(c.delta.content or "" for c in chunk.choices)
            usage = chunk.usage or usage
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(usage.prompt_tokens, whole.usage.prompt_tokens)

    def testCompletionsAndModels(self):
        whole = self.client.completions.create(model="model", prompt="Once upon a time", max_tokens=8, temperature=0, echo=True, logprobs=2)
        self.assertTrue(whole.choices[0].text.startswith("Once upon a time"))
        self.assertIsNone(whole.choices[0].logprobs.token_logprobs[0])
        text = "".join(c.choices[0].text for c in self.client.completions.create(
            model="model", prompt="Once upon a time", max_tokens=8, temperature=0, stream=True))
        self.assertEqual("Once upon a time" + text, whole.choices[0].text)
        self.assertEqual([m.id for m in self.client.models.list()], ["model"])
        self.assertEqual(self.client.models.retrieve("model").id, "model")

    def testResponsesWholeAndStreaming(self):
        whole = self.client.responses.create(model="model", input="Name a river.", instructions="Be brief.", max_output_tokens=12,
                                             temperature=0)
        self.assertEqual(whole.usage.output_tokens, 12 if whole.status == "incomplete" else whole.usage.output_tokens)
        self.assertIn(whole.status, ("completed", "incomplete"))
        self.assertTrue(whole.output_text)
        kinds, text, final = [], "", None
        for event in self.client.responses.create(model="model", input=self.MESSAGES, instructions="Be brief.", max_output_tokens=12,
                                                  temperature=0, stream=True):
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type in ("response.completed", "response.incomplete"):
                final = event.response
        self.assertEqual(text, whole.output_text)
        self.assertEqual(final.output_text, whole.output_text)
        self.assertEqual(kinds[:4], ["response.created", "response.in_progress", "response.output_item.added",
                                     "response.content_part.added"])

    def testErrorsBecomeTheRightExceptions(self):
        create = self.client.chat.completions.create
        with self.assertRaises(openai.BadRequestError) as caught:
            create(model="model", messages=self.MESSAGES, temperature=9)
        self.assertEqual((caught.exception.param, caught.exception.code), ("temperature", "decimal_above_max_value"))
        self.assertTrue(caught.exception.request_id)
        with self.assertRaises(openai.NotFoundError) as caught:
            create(model="gpt-9", messages=self.MESSAGES)
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError) as caught:
            create(model="model", messages=[{"role": "user", "content": "word " * 9000}])
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.client.with_options(api_key="wrong-key-1").models.list()
        self.assertEqual(caught.exception.code, "invalid_api_key")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.embeddings.create(model="model", input="x", dimensions=9999)
        self.assertEqual((caught.exception.param, caught.exception.code), ("dimensions", "integer_above_max_value"))

    def testEmbeddingsInBothEncodings(self):
        texts = ["A river runs to the sea.", "Two and two are four."]
        numbers = self.client.embeddings.create(model="model", input=texts, encoding_format="float")
        plain = self.client.embeddings.create(model="model", input=texts)  # The client asks for base64 and decodes it.
        self.assertEqual([len(d.embedding) for d in plain.data], [576, 576])
        for one, other in zip(numbers.data, plain.data):
            for a, b in zip(one.embedding, other.embedding):
                self.assertAlmostEqual(a, b, places=7)
        self.assertEqual(plain.usage.prompt_tokens, plain.usage.total_tokens)
        short = self.client.embeddings.create(model="model", input=[[1, 2, 3]], dimensions=16)
        self.assertEqual(len(short.data[0].embedding), 16)


if __name__ == "__main__":
    unittest.main()
