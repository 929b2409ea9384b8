#!/usr/bin/env python3
"""Language models through `monza serve`, asked by OpenAI's own Python client, unchanged.

A model of stories, which is so small that it says nothing of sense, answers chats and completions: at once and as a stream, several
choices, with probabilities, seeds, stop texts and biases; the same to many clients at a time; and is refused, left, and drained.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/chat_test.py
"""
import argparse
import concurrent.futures
import pathlib
import signal
import sys
import tempfile
import threading
import time
import urllib.request

import openai

import peerlib
from serve_test import Server, expect

MODEL = "TinyStories-656K-Q8_0"
TEMPLATE = "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}{{ m.content }} {% endfor %}"
STORY = "Once upon a time, there was a little girl named Lily. She liked to"


def check_completions(client):
    ask = lambda **more: client.completions.create(model=MODEL, prompt=STORY, max_tokens=24, **more)
    greedy = ask(temperature=0)
    text = greedy.choices[0].text
    expect(greedy.choices[0].finish_reason in ("length", "stop") and len(text) > 20, f"greedy: {text!r}")
    expect(greedy.usage.total_tokens == greedy.usage.prompt_tokens + greedy.usage.completion_tokens, "usage adds up")
    long = [client.completions.create(model=MODEL, prompt=STORY * 4, max_tokens=24, temperature=0) for _ in range(2)]
    known = long[1].usage.prompt_tokens_details.cached_tokens
    expect(long[0].choices[0].text == long[1].choices[0].text and known >= 16, f"the same again, {known} of {long[1].usage.prompt_tokens} tokens known")
    pieces = list(ask(temperature=0, stream=True, stream_options={"include_usage": True}))
    expect("".join(p.choices[0].text for p in pieces if p.choices) == text, f"the same as a stream of {len(pieces)} events")
    expect(pieces[-1].usage.completion_tokens == greedy.usage.completion_tokens and not pieces[-1].choices, "usage at the end of the stream")
    stop = text[8:12]
    stopped = ask(temperature=0, stop=[stop, "never"])
    expect(stopped.choices[0].text == text[:text.find(stop)] and stopped.choices[0].finish_reason == "stop", f"ends before {stop!r}")
    drawn = [ask(temperature=1, seed=5, n=3) for _ in range(2)]
    expect([c.text for c in drawn[0].choices] == [c.text for c in drawn[1].choices], "three choices of a seed, twice the same")
    expect(len({c.text for c in drawn[0].choices}) > 1, "choices differ")
    many = client.completions.create(model=MODEL, prompt=[STORY, "One day, a"], max_tokens=24, n=2, temperature=0)
    expect([c.index for c in many.choices] == [0, 1, 2, 3] and many.choices[1].text == text, "two prompts of two choices")
    chances = ask(temperature=0, logprobs=3).choices[0].logprobs
    expect("".join(chances.tokens).strip() == text.strip(), "tokens make up the text")
    expect(all(abs(max(t.values()) - p) < 1e-6 and p <= 0 for t, p in zip(chances.top_logprobs, chances.token_logprobs)), "greedy tokens are the likeliest")
    biased = client.completions.create(model=MODEL, prompt=STORY, max_tokens=4, temperature=0, logit_bias={"300": 100}, logprobs=0)
    expect(len(set(biased.choices[0].logprobs.tokens)) == 1, f"a bias: {biased.choices[0].text!r}")


def check_chat(client):
    messages = [{"role": "system", "content": "Once upon a time,"}, {"role": "user", "content": [{"type": "text", "text": "there was a"}, {"type": "text", "text": " dog. He"}]}]
    ask = lambda **more: client.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=16, **more)
    whole = ask(logprobs=True, top_logprobs=2)
    choice = whole.choices[0]
    expect(choice.message.role == "assistant" and len(choice.message.content) > 10, f"chat: {choice.message.content!r}")
    expect(len(choice.logprobs.content) == whole.usage.completion_tokens and all(len(t.top_logprobs) == 2 for t in choice.logprobs.content), "probabilities of each token")
    events = list(ask(stream=True, n=2))
    for index in (0, 1):
        mine = [e.choices[0] for e in events if e.choices[0].index == index]
        expect("".join(c.delta.content or "" for c in mine) == choice.message.content, f"choice {index} of the stream is the same text")
        expect(mine[0].delta.role == "assistant" and mine[-1].finish_reason == choice.finish_reason, "begins with the role, ends with the reason")
    with client.chat.completions.with_streaming_response.create(model=MODEL, messages=messages, max_tokens=2) as raw:
        expect(raw.headers["content-type"] == "application/json", "not a stream unless it is asked for")
    expect(MODEL in [m.id for m in client.models.list()], "the model is listed")


def check_refusals(client):
    def said(status, **request):
        try:
            client.chat.completions.create(**{"model": MODEL, "messages": [{"role": "user", "content": "a"}], **request})
        except openai.APIStatusError as error:
            expect(error.status_code == status and error.body["message"], f"{error.status_code}: {error.body['message']}")
            return
        expect(False, f"{request} was not refused")
    said(404, model="none")
    said(400, messages=[])
    said(400, messages=[{"role": "tool", "content": "x", "tool_call_id": "1"}])
    said(400, messages=[{"role": "user", "content": "word " * 5000}])
    said(400, temperature=9)
    said(400, response_format={"type": "json_object"})
    said(400, messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}])


def metric(server, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.said['metrics_port']}/metrics") as answer:
        return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines() if line.startswith(name + "{"))


def check_many(client, server):
    prompts = [STORY[:20 + 2 * i] for i in range(16)]
    ask = lambda p: client.completions.create(model=MODEL, prompt=p, max_tokens=20, temperature=0).choices[0].text
    alone = [ask(p) for p in prompts]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        together = list(pool.map(ask, prompts * 4))
    expect(together == alone * 4, f"{len(together)} requests of 32 threads, each as alone")
    before = metric(server, "monza_llm_generated_tokens_total")
    stream = client.completions.create(model=MODEL, prompt=STORY, max_tokens=900, stream=True, logit_bias={"2": -100})
    next(iter(stream))
    stream.response.close()
    deadline = time.time() + 10
    while metric(server, "monza_llm_running") > 0 and time.time() < deadline: time.sleep(0.05)
    spent = metric(server, "monza_llm_generated_tokens_total") - before
    expect(metric(server, "monza_llm_running") == 0, f"a client that leaves ends its generation after {spent:.0f} tokens")
    expect(metric(server, "monza_llm_time_to_first_token_seconds_count") > 0 and metric(server, "monza_llm_time_between_tokens_seconds_count") > 0, "times are counted")
    expect(metric(server, "monza_llm_cached_tokens_total") > 0, "so is what was known")


def check_drain(client, server):
    """What streams when the server is told to end is finished."""
    stream = client.completions.create(model=MODEL, prompt=STORY, max_tokens=400, stream=True, logit_bias={"2": -100})
    events = iter(stream)
    next(events)
    threading.Timer(0.05, lambda: server.process.send_signal(signal.SIGTERM)).start()
    last = None
    for last in events: pass
    expect(last.choices[0].finish_reason == "length", "a stream is finished while the server drains")
    expect(server.process.wait(30) == 0, "and the server ends with 0")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, default=peerlib.TOOL, help="the monza binary (%(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder) / "stories.jinja"
        template.write_text(TEMPLATE)
        server = Server(args.tool, [peerlib.shared() / "models" / "llm" / f"{MODEL}.gguf"], "--context", "2048", "--chat-template", template)
        try:
            client = openai.OpenAI(base_url=f"http://{server.address}/v1", api_key="none", max_retries=0)
            check_completions(client)
            check_chat(client)
            check_refusals(client)
            check_many(client, server)
            check_drain(client, server)
        finally:
            server.process.kill()
    sys.exit(1 if expect.failed else 0)


if __name__ == "__main__":
    main()
