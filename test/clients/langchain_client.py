# SPDX-License-Identifier: Apache-2.0
"""LangChain's OpenAI classes: invoke, stream, batch, async, completion, token usage, errors, fallbacks."""

import asyncio
import sys

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI


def main(base_url, key):
    settings = {"base_url": base_url, "api_key": key, "model": "model", "temperature": 0, "max_tokens": 12, "max_retries": 0}
    chat = ChatOpenAI(**settings)
    turns = [SystemMessage("Be brief."), HumanMessage("Name a river."), AIMessage("The Nile."), HumanMessage("Name another.")]

    whole = chat.invoke(turns)
    assert whole.content and whole.usage_metadata["output_tokens"] <= 12, whole
    assert whole.response_metadata["finish_reason"] in ("stop", "length"), whole.response_metadata
    assert whole.response_metadata["model_name"] == "model", whole.response_metadata

    pieces = list(ChatOpenAI(**settings, stream_usage=True).stream(turns))
    joined = pieces[0]
    for piece in pieces[1:]:
        joined += piece
    assert joined.content == whole.content, (joined.content, whole.content)
    assert joined.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"], joined.usage_metadata

    chain = ChatPromptTemplate.from_messages([("user", "Say {word}.")]) | chat | StrOutputParser()
    alone = [chain.invoke({"word": word}) for word in ("yes", "no", "perhaps")]
    assert chain.batch([{"word": word} for word in ("yes", "no", "perhaps")]) == alone

    async def together():
        streamed = "".join([piece async for piece in chain.astream({"word": "yes"})])
        return streamed, await asyncio.gather(*(chain.ainvoke({"word": word}) for word in ("yes", "no")))

    streamed, gathered = asyncio.run(together())
    assert [streamed, *gathered] == [alone[0], *alone[:2]], (streamed, gathered, alone)

    several = ChatOpenAI(**{**settings, "temperature": 1}, n=2, seed=7, logprobs=True, top_logprobs=2).generate([turns])
    assert len(several.generations[0]) == 2
    assert several.generations[0][0].message.response_metadata["logprobs"]["content"]

    by_response = ChatOpenAI(**{**settings, "max_tokens": 16}, use_responses_api=True).invoke(turns)
    assert by_response.text, by_response

    text = OpenAI(**settings).invoke("Once upon a time")
    assert text == "".join(OpenAI(**settings).stream("Once upon a time")), text
    assert len(OpenAI(**settings).batch(["One", "Two"])) == 2

    for wrong, expected in (({"temperature": 9}, openai.BadRequestError), ({"model": "other"}, openai.NotFoundError),
                            ({"api_key": "wrong-key-1"}, openai.AuthenticationError)):
        try:
            ChatOpenAI(**{**settings, **wrong}).invoke("x")
        except expected:
            continue
        raise AssertionError(f"{wrong} was not refused")
    rescued = ChatOpenAI(**{**settings, "model": "other"}).with_fallbacks([chat]).invoke(turns)
    assert rescued.content == whole.content


if __name__ == "__main__":
    main(*sys.argv[1:])
