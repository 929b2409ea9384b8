#!/usr/bin/env python3
"""JSON Schemas as grammars, held to the standard's test suite, to maskbench's schemas, and to PyPI's jsonschema.

A schema that is compiled must take every valid instance and no invalid one, but for the pinned differences below; one that is
not is refused with its keyword. Then texts are drawn of random tokens that the masks allow: each must parse and validate.
Measured beside it: how long compiling and masks take, with each tokenizer.json.

  MONZA_SHARED=DIR build/peers-venv/bin/python tests/peers/grammar_test.py [--texts N] [--all]

--all takes all three tokenizers, not only Llama 3.2's, and 200 texts with each rather than 40: some ten minutes.
"""
import argparse
import collections
import json
import lzma
import pathlib
import subprocess
import sys
import tarfile

import jsonschema

import peerlib

sys.set_int_max_str_digits(0)  # what is drawn has no measure
PROGRAM = pathlib.Path("build/test/monza_grammar_texts")
DRAFTS = {"draft7": "http://json-schema.org/draft-07/schema#", "draft2020-12": "https://json-schema.org/draft/2020-12/schema"}
# Of the suite: tests that agree, schemas that are refused, and valid instances that are not taken, by file. `format` is held
# in every draft; leap seconds are those of UTC; encoded labels of host names are left out; metaschemas are not looked at.
SUITE = {"agree": 2655, "refused": 193, "invalid taken": 0}
VALID_REFUSED = {"format.json": 13, "date-time.json": 2, "hostname.json": 30, "time.json": 8, "vocabulary.json": 1}
MASKBENCH = {"agree": 2924, "refused": 19, "invalid taken": 0, "valid refused": 0}


class Program:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([str(PROGRAM), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request) -> dict:
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def plain(value):
    """The value with whole numbers as such: one way to write each is enough."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    return {k: plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def texts(tests) -> list:
    """Each instance as json.dumps writes it: as it is, compact, and indented, escaped or not."""
    ways = [{}, {"separators": (",", ":")}, {"indent": 2, "ensure_ascii": False}]
    return [json.dumps(plain(t["data"]), **ways[i % 3]) for i, t in enumerate(tests)]


def compare(program, schema, tests, counts, differs):
    answer = program.ask(schema=schema, texts=texts(tests))
    if "error" in answer:
        counts["refused"] += 1
        return answer
    for test, taken in zip(tests, answer["accepts"]):
        if taken == test["valid"]:
            counts["agree"] += 1
        else:
            counts["invalid taken" if taken else "valid refused"] += 1
            differs(test, taken)
    return answer


def suite(program, shared):
    counts, refused = collections.Counter(), collections.Counter()
    with tarfile.open(shared / "data/llm/json-schema-test-suite.tar.xz") as archive:
        for member in sorted(archive.getmembers(), key=lambda m: m.name):
            path = pathlib.PurePath(member.name)
            draft = next((d for d in DRAFTS if d in path.parts), None)
            if draft is None or path.suffix != ".json" or not (path.parent.name in (draft, "format")) or "remotes" in path.parts:
                continue
            for group in json.load(archive.extractfile(member)):
                schema = group["schema"]
                if isinstance(schema, dict):
                    schema.setdefault("$schema", DRAFTS[draft])
                compare(program, schema, group["tests"], counts, lambda test, taken: refused.update([path.name]) if not taken
                        else print(f"suite: invalid taken: {path}: {test}"))
    print("JSON Schema's test suite:", dict(counts), dict(refused))
    return {k: counts[k] for k in SUITE} == SUITE and dict(refused) == VALID_REFUSED


def maskbench(program, shared):
    counts, times = collections.Counter(), []
    schemas = [json.loads(line) for line in lzma.open(shared / "data/llm/maskbench-dev.jsonl.xz")]
    for entry in schemas:
        answer = compare(program, entry["schema"], entry["tests"], counts, lambda test, taken: print(f"maskbench: {entry['name']}: taken {taken}: {test}"))
        if "error" in answer:
            print(f"maskbench: {entry['name']}: {answer['error']}")
        else:
            times.append(answer["compile_ms"])
    print("maskbench-dev:", dict(counts), f"compiled in {quantiles(times)} ms")
    return {k: counts[k] for k in MASKBENCH} == MASKBENCH, schemas


def quantiles(values) -> str:
    values = sorted(values)
    return f"median {values[len(values) // 2]:.3f}, p99 {values[len(values) * 99 // 100]:.3f}, most {values[-1]:.3f}"


def along(tokenizer, schemas) -> bool:
    """Masks at each token of the valid instances: as a model writes that knows what it is about."""
    program, times, failed = Program(tokenizer), [], 0
    for entry in schemas:
        valid = [t for t in entry["tests"] if t["valid"]]
        answer = program.ask(schema=entry["schema"], texts=texts(valid))
        times += answer.get("mask_us", [])
        if "a mask" in answer.get("error", ""):
            failed += 1
            print(f"{tokenizer.name}: {entry['name']}: {answer['error'][:300]}")
    print(f"{tokenizer.name}: masks along instances take {quantiles(times)} us, over {len(times)} of them; {failed} wrong")
    return failed == 0


def drawn(tokenizer, schemas, count) -> bool:
    program, times, whole, wrong = Program(tokenizer), [], 0, 0
    for seed, entry in enumerate(schemas):
        if whole == count:
            break
        schema = entry["schema"]
        answer = program.ask(schema=schema, seed=seed, texts=[])
        if "error" in answer:
            if "text" in answer or "dead end" in answer["error"]:
                wrong += 1
                print(f"{tokenizer.name}: {entry['name']}: {answer['error'][:300]}")
            continue
        times += answer["mask_us"]
        if not answer["ended"]:
            continue
        whole += 1
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        try:
            kind(schema, format_checker=kind.FORMAT_CHECKER).validate(json.loads(answer["text"]))
        except (ValueError, jsonschema.ValidationError) as error:
            wrong += 1
            print(f"{tokenizer.name}: {entry['name']}: {str(error)[:300]}\n  {answer['text'][:300]}")
    print(f"{tokenizer.name}: {whole} texts drawn, {wrong} wrong; masks take {quantiles(times)} us, over {len(times)} of them")
    return wrong == 0 and whole == count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    count = options.texts or (200 if options.all else 40)
    shared = peerlib.shared()
    program = Program()
    ok = suite(program, shared)
    agrees, schemas = maskbench(program, shared)
    for name in ("llama3_2.json", "qwen2_5.json", "llama2.json")[:3 if options.all else 1]:
        ok = along(shared / "models/tokenizers" / name, schemas) and ok
        ok = drawn(shared / "models/tokenizers" / name, schemas, count) and ok
    return 0 if ok and agrees else 1


if __name__ == "__main__":
    sys.exit(main())
