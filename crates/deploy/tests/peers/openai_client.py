"""The official `openai` client against a server whose model says back what was said.

requires: openai 3.57.0

`openai_client.py URL`: the server's address. Exits with 77 where the client is not installed.
"""

import asyncio
import json
import sys

try:
    import openai
except ImportError as error:
    print(f"skipped: {error}", file=sys.stderr)
    sys.exit(77)

URL = sys.argv[1].rstrip("/") + "/v1"
client = openai.OpenAI(base_url=URL, api_key="none", max_retries=0)
MODEL = "parrot"
# A byte a token, after five special ones.
FIRST_BYTE = 5


def user(text):
    return [{"role": "user", "content": text}]


def ask(text, **more):
    return client.chat.completions.create(model=MODEL, messages=user(text), **more)


def refused(kind, param, code, **more):
    try:
        ask("네", **more)
    except kind as error:
        assert error.type == "invalid_request_error", error
        assert error.param == param, error
        assert error.code == code, error
        assert param.split(".")[0] in error.message, error
    else:
        raise AssertionError(f"{more} is refused")


def test_models():
    models = client.models.list().data
    assert [model.id for model in models] == [MODEL]
    assert models[0].object == "model" and models[0].owned_by and models[0].created > 0
    assert client.models.with_raw_response.list().status_code == 200


def test_whole_reply():
    for text, tokens in [("안녕", 11), ("hi", 7)]:
        reply = ask(text)
        assert reply.object == "chat.completion" and reply.id.startswith("chatcmpl-")
        assert reply.model == MODEL and reply.created > 0 and reply.system_fingerprint
        assert len(reply.choices) == 1
        choice = reply.choices[0]
        assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
        assert choice.message.role == "assistant" and choice.message.content == f"네, {text}"
        usage = reply.usage
        assert usage.completion_tokens == tokens
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        assert usage.prompt_tokens_details.cached_tokens <= usage.prompt_tokens


def test_system_message_counts():
    messages = [{"role": "system", "content": "be kind"}, *user("hi")]
    with_system = client.chat.completions.create(model=MODEL, messages=messages)
    assert with_system.usage.prompt_tokens > ask("hi").usage.prompt_tokens
    assert with_system.choices[0].message.content == "네, hi"


def test_streamed_reply():
    whole = ask("안녕 hello").choices[0].message.content
    parts = list(ask("안녕 hello", stream=True))
    assert len({part.id for part in parts}) == 1 and parts[0].id.startswith("chatcmpl-")
    assert len({part.created for part in parts}) == 1
    assert all(part.object == "chat.completion.chunk" and part.model == MODEL for part in parts)
    assert all(part.usage is None for part in parts)
    first = parts[0].choices[0]
    assert first.delta.role == "assistant" and first.delta.content == ""
    assert all(part.choices[0].delta.role is None for part in parts[1:])
    assert all(part.choices[0].finish_reason is None for part in parts[:-1])
    last = parts[-1].choices[0]
    assert last.finish_reason == "stop" and last.delta.content is None
    assert "".join(part.choices[0].delta.content or "" for part in parts) == whole


def test_usage_of_a_stream():
    parts = list(ask("hi", stream=True, stream_options={"include_usage": True}))
    assert all(part.usage is None for part in parts[:-1])
    assert parts[-1].choices == []
    assert parts[-1].usage.completion_tokens == ask("hi").usage.completion_tokens
    assert parts[-1].usage.total_tokens == parts[-1].usage.prompt_tokens + parts[-1].usage.completion_tokens
    without = list(ask("hi", stream=True, stream_options={"include_usage": False}))
    assert all(part.choices for part in without)


def test_most_tokens():
    for name in ["max_tokens", "max_completion_tokens"]:
        reply = ask("hello", **{name: 5})
        assert reply.usage.completion_tokens == 5
        assert reply.choices[0].finish_reason == "length"
        assert reply.choices[0].message.content == "네, "
    parts = list(ask("hello", max_tokens=5, stream=True))
    assert parts[-1].choices[0].finish_reason == "length"


def test_stop():
    for stop in ["el", ["xyz", "el"]]:
        for stream in [False, True]:
            reply = ask("hello", stop=stop, stream=stream)
            if stream:
                parts = list(reply)
                text = "".join(part.choices[0].delta.content or "" for part in parts)
                reason = parts[-1].choices[0].finish_reason
            else:
                text, reason = reply.choices[0].message.content, reply.choices[0].finish_reason
            assert (text, reason) == ("네, h", "stop")


def test_seed():
    say = lambda seed: ask("random", seed=seed, temperature=1.0).choices[0].message.content
    assert say(7) == say(7) and say(7) != say(8)
    streamed = ask("random", seed=7, temperature=1.0, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in streamed) == say(7)
    unseeded = lambda: ask("random", temperature=1.0).choices[0].message.content
    assert unseeded() != unseeded()


def test_several_choices():
    reply = ask("random", n=2, seed=3)
    assert [choice.index for choice in reply.choices] == [0, 1]
    texts = [choice.message.content for choice in reply.choices]
    assert texts[0] != texts[1] and all(len(text) == 24 for text in texts)
    assert reply.usage.completion_tokens == 48
    assert reply.usage.prompt_tokens == ask("random").usage.prompt_tokens
    streamed = {0: "", 1: ""}
    reasons = {}
    for part in ask("random", n=2, seed=3, stream=True):
        choice = part.choices[0]
        streamed[choice.index] += choice.delta.content or ""
        if choice.finish_reason:
            reasons[choice.index] = choice.finish_reason
    assert [streamed[0], streamed[1]] == texts and reasons == {0: "stop", 1: "stop"}


def test_logprobs():
    reply = ask("안녕", logprobs=True, top_logprobs=4, temperature=0)
    choice = reply.choices[0]
    tokens = choice.logprobs.content
    joined = b"".join(bytes(token.bytes) for token in tokens)
    assert joined.decode() == choice.message.content
    assert len(tokens) == reply.usage.completion_tokens
    for token in tokens:
        assert token.logprob <= 0 and len(token.top_logprobs) == 4
        assert token.top_logprobs[0].token == token.token
        likeliest = [top.logprob for top in token.top_logprobs]
        assert likeliest == sorted(likeliest, reverse=True)
    streamed = []
    for part in ask("안녕", logprobs=True, top_logprobs=4, temperature=0, stream=True):
        if part.choices[0].logprobs:
            streamed += part.choices[0].logprobs.content
    assert streamed == tokens
    assert ask("hi", logprobs=True).choices[0].logprobs.content[0].top_logprobs == []


def test_penalties_and_bias():
    text = lambda **more: ask("random", temperature=0, **more).choices[0].message.content
    assert text(max_tokens=2) == "aa"
    assert text(max_tokens=3, presence_penalty=1) == "abc"
    assert text(max_tokens=3, frequency_penalty=1) == "abc"
    assert text(max_tokens=2, logit_bias={str(FIRST_BYTE + ord("q")): 5}) == "qq"
    assert text(max_tokens=1, logit_bias={str(FIRST_BYTE + ord("a")): -100}) == "b"


def test_samplers_beyond_openai():
    text = lambda **more: ask("random", seed=1, extra_body=more).choices[0].message.content
    assert text(top_k=1) == "a" * 24
    # Twenty-six letters are equally likely, and nothing else is likely at all.
    assert text(min_p=0.5) == text(min_p=0.9) and set(text(min_p=0.9)) <= set(map(chr, range(97, 123)))
    assert ask("random", top_p=0.01, seed=1).choices[0].message.content == "a" * 24


def test_json_object():
    reply = ask("random", response_format={"type": "json_object"}, max_tokens=60, seed=1)
    choice = reply.choices[0]
    assert choice.message.content.startswith("{")
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict)


def test_json_schema():
    schema = {
        "type": "object",
        "properties": {"name": {"enum": ["가나", "다라"]}, "age": {"type": "integer", "minimum": 1, "maximum": 99}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}
    for seed in range(5):
        value = json.loads(ask("random", response_format=form, seed=seed).choices[0].message.content)
        assert value["name"] in ["가나", "다라"] and 1 <= value["age"] <= 99 and len(value) == 2
    form["json_schema"]["schema"] = {"type": "nothing"}
    refused(openai.BadRequestError, "response_format", "invalid_value", response_format=form)


def test_text_parts_and_developer():
    messages = [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    ]
    reply = client.chat.completions.create(model=MODEL, messages=messages)
    assert reply.choices[0].message.content == "네, one\ntwo"


def test_errors():
    refused(openai.BadRequestError, "temperature", "invalid_value", temperature=3)
    refused(openai.BadRequestError, "n", "invalid_value", n=0)
    refused(openai.BadRequestError, "max_tokens", "invalid_value", max_tokens=-1)
    refused(openai.BadRequestError, "seed", "invalid_value", extra_body={"seed": "x"})
    refused(openai.BadRequestError, "stream_options", "invalid_value", stream_options={"include_usage": True})
    refused(openai.BadRequestError, "grammar", "unsupported_parameter", extra_body={"grammar": "root"})
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    refused(openai.BadRequestError, "tools", "unsupported_parameter", tools=[tool])
    for messages, param in [([], "messages"), ([{"role": "robot", "content": "x"}], "messages[0].role")]:
        try:
            client.chat.completions.create(model=MODEL, messages=messages)
        except openai.BadRequestError as error:
            assert error.param == param
        else:
            raise AssertionError("refused")
    try:
        client.chat.completions.create(model="gpt", messages=user("hi"))
    except openai.NotFoundError as error:
        assert error.code == "model_not_found" and error.param == "model"
    else:
        raise AssertionError("a model that is not here")


def test_context():
    long = "a" * 5000
    for stream in [False, True]:
        try:
            ask(long, stream=stream)
        except openai.BadRequestError as error:
            assert error.code == "context_length_exceeded" and error.param == "messages"
            assert error.body["prompt_tokens"] > error.body["context_tokens"] > 0
        else:
            raise AssertionError("longer than the context")
    turns = [turn for _ in range(6) for turn in [*user("b" * 300), {"role": "assistant", "content": "c" * 100}]]
    messages = [*turns, *user("hi")]
    create = client.chat.completions.with_raw_response.create
    raw = create(model=MODEL, messages=messages, extra_body={"truncation": "auto"})
    assert int(raw.headers["x-naman-dropped-messages"]) > 0
    assert raw.parse().choices[0].message.content == "네, hi"


def test_completions():
    prompt = "<|endoftext|><|user|>hi<|end|><|assistant|>"
    reply = client.completions.create(model=MODEL, prompt=prompt, logprobs=2)
    assert reply.object == "text_completion" and reply.id.startswith("cmpl-")
    choice = reply.choices[0]
    assert (choice.text, choice.finish_reason) == ("네, hi", "stop")
    assert len(choice.logprobs.tokens) == reply.usage.completion_tokens
    assert choice.logprobs.text_offset[0] == 0 and len(choice.logprobs.top_logprobs[0]) <= 2
    parts = list(client.completions.create(model=MODEL, prompt=prompt, stream=True, stream_options={"include_usage": True}))
    assert "".join(part.choices[0].text for part in parts if part.choices) == "네, hi"
    assert parts[-1].usage.completion_tokens == reply.usage.completion_tokens
    several = client.completions.create(model=MODEL, prompt=[prompt, prompt], n=2)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert {choice.text for choice in several.choices} == {"네, hi"}
    assert client.completions.create(model=MODEL, prompt=prompt, stop="h").choices[0].text == "네, "


def test_many_at_once():
    async def all_of_them():
        one = openai.AsyncOpenAI(base_url=URL, api_key="none")
        create = one.chat.completions.create
        asked = [create(model=MODEL, messages=user(f"number {i}")) for i in range(16)]
        replies = await asyncio.gather(*asked)
        assert [reply.choices[0].message.content for reply in replies] == [f"네, number {i}" for i in range(16)]

    asyncio.run(all_of_them())


def test_leaving_early():
    stream = ask("forever", stream=True)
    for part in stream:
        if part.choices[0].delta.content:
            break
    stream.close()
    assert ask("hi").choices[0].message.content == "네, hi"


if __name__ == "__main__":
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    for name, test in tests:
        test()
        print(name, "ok")
