#!/usr/bin/env python3
"""The differential tester: random graphs, planned four ways and run at 1 and 2 threads, beside ONNX Runtime without
optimisations.

  differ.py --seconds 60                           every family in turn, a job for each CPU
  differ.py --seconds 600 --jobs 16 --quiet        for so long; the groups and the table come at the end
  differ.py --count 200000 --jobs 16 --isa avx2    so many graphs, with a lower instruction set forced
  differ.py --families conv,qdq --start 5000       some families, other graphs
  differ.py --repeat conv:1234                     one graph again; --dump DIR writes it down
  differ.py --case FOLDER                          a case that was kept
  differ.py --list                                 the families

Exit code 1 when something disagrees. Each wrong graph is a line in DIR/wrong.txt as soon as it is found; the first case of
each cause is shrunk and kept in --keep DIR: model, inputs, what ONNX Runtime computes, what was said, and the command that
repeats it. A signal to end (SIGINT, SIGTERM) ends the drawing, and what was found is told; a later one ends all. Where
ONNX Runtime's process dies over a graph, the graph counts as "peer died" and a new process goes on. What is drawn depends
on family and seed alone.
"""
import argparse
import collections
import itertools
import multiprocessing
import os
import pathlib
import queue
import re
import signal
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
ROOT = HERE.parents[2] if (HERE.parents[2] / "src/ops").exists() else HERE.parent  # or a folder of --pack


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runner", default=str(ROOT / "build/test/monza_differential"), help="the program monza_differential")
    p.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--seconds", type=float, default=0, help="draw for so long; 0: no limit")
    p.add_argument("--count", type=int, default=0, help="draw so many graphs; 0: no limit")
    p.add_argument("--start", type=int, default=0, help="the first seed of each family")
    p.add_argument("--families", default="", help="some, by commas; NAME* takes all that begin so")
    p.add_argument("--isa", default="", help="MONZA_ISA of the runner: avx2, avx512, ...")
    p.add_argument("--timeout", type=float, default=60, help="seconds that one step may take")
    p.add_argument("--keep", default="", help="folder for wrong cases and their list; nothing is kept without it")
    p.add_argument("--most", type=int, default=40, help="groups that are looked into and shrunk; 0: none")
    p.add_argument("--no-shrink", action="store_true")
    p.add_argument("--quiet", action="store_true", help="no progress")
    p.add_argument("--coverage", action="store_true", help="print what was never reached")
    p.add_argument("--repeat", default="", help="FAMILY:SEED")
    p.add_argument("--case", default="", help="a folder that --keep or --dump wrote")
    p.add_argument("--dump", default="", help="with --repeat: write the case to this folder")
    p.add_argument("--list", action="store_true")
    return p.parse_args()


def chosen(names, pattern):
    """The families that the pattern names, with their weights."""
    if not pattern:
        return names
    picked = {}
    for word in pattern.split(","):
        found = {n: w for n, w in names.items() if n == word or word.endswith("*") and n.startswith(word[:-1])}
        if not found:
            raise SystemExit(f"differ: there is no family '{word}'; --list names them")
        picked.update(found)
    return picked


def schedule(weights, start):
    """Families and seeds without end, each family as often as its weight says. The same for every job."""
    credit, seed = dict.fromkeys(weights, 0.0), dict.fromkeys(weights, start)
    while True:
        for name, weight in weights.items():
            credit[name] += weight
            while credit[name] >= 1 - 1e-9:
                credit[name] -= 1
                yield name, seed[name]
                seed[name] += 1


def signature(case_id, bad):
    """What equal faults have in common before they are looked into."""
    text = re.split(r" in 'n\d|   input| \(in | \(from", bad.text)[0]
    text = re.sub(r"0x[0-9a-f]+|[-+]?\d[\d.e+-]*|'[^']*'|%\w+", "#", bad.text)[:120]
    return (case_id.split(":")[0], re.sub(r"\d", "", bad.way), bad.kind, text if bad.kind not in ("value", "threads", "again") else "")


class Worker:
    """Draws cases, keeps the runner busy and reports to the parent."""

    AHEAD = 4  # cases that the runner has while others are drawn

    def __init__(self, options, number, weights, results, stop, begun):
        self.options, self.number, self.weights, self.begun = options, number, weights, begun
        self.results, self.stop = results, stop
        self.tally = collections.Counter()
        self.operators = collections.Counter()
        self.waiting = collections.deque()
        self.runner = self.second = None

    def start(self):
        from protocol import Runner
        self.runner = Runner(self.options.runner, self.options.isa, self.options.timeout)

    def run(self):
        from graph import Invalid
        from peer import PeerDied
        from protocol import ways_of
        self.start()
        reported, done = time.monotonic(), self.begun.value
        for index, (name, seed) in enumerate(schedule(self.weights, self.options.start)):
            if self.stop.is_set() or self.options.count and index >= self.options.count:
                break
            if index % self.options.jobs != self.number or index <= done:
                continue
            self.begun.value = index
            try:
                case = draw(name, seed)
            except PeerDied as e:
                self.tally[name, "died"] += 1
                self.results.put(("died", f"{name}:{seed}", str(e)))
                continue
            except Invalid as e:
                self.tally[name, "invalid"] += 1
                self.tally["why", name, re.sub(r"\d+", "#", str(e))[:160]] += 1
                continue
            self.operators.update({(n.domain, n.op_type) for n in case.model.graph.node})
            ways = ways_of(case)
            self.runner.send(case, ways)
            self.waiting.append((case, ways))
            while len(self.waiting) >= self.AHEAD:
                self.take()
            if time.monotonic() - reported > 2:
                self.report()
                reported = time.monotonic()
        while self.waiting:
            self.take()
        self.report()
        self.runner.close()
        if self.second:
            self.second.close()

    def take(self):
        """The result of the oldest case. After a crash the others go to a new runner."""
        from protocol import Gone
        try:
            _, bads = self.runner.result()
        except Gone as gone:
            bads = gone.args[1]
            self.runner.close()
            self.start()
            for case, ways in list(self.waiting)[1:]:
                self.runner.send(case, ways)
        case, ways = self.waiting.popleft()
        self.tally[case.family, "graphs"] += 1
        bads = remaining(case, bads, ways, self.ask)
        if bads:
            self.tally[case.family, "bad"] += 1
            self.results.put(("bad", case.id, bads))

    def ask(self, case, ways):
        """What is wrong with a case that is measured again, by a runner beside the one that has others to do."""
        import keep
        from protocol import Runner
        if self.second is None:
            self.second = Runner(self.options.runner, self.options.isa, self.options.timeout)
        bads = keep.try_case(case, ways, self.options, self.second)
        if any(b.kind in ("crash", "hang") for b in bads):
            self.second.close()
            self.second = None
        return bads

    def report(self):
        # Counts come in line behind what the runner still works on.
        while self.waiting:
            self.take()
        counts = self.runner.counts()
        self.results.put(("tally", self.tally, self.operators, counts))
        self.tally, self.operators = collections.Counter(), collections.Counter()


def draw(name, seed):
    """A settled case. Raises Invalid."""
    import families
    from graph import Invalid
    from reference import settle
    try:
        return settle(families.make(name, seed))
    except Invalid:
        raise
    except Exception:
        raise Invalid("generator: " + traceback.format_exc().splitlines()[-1] + " " +
                      traceback.format_exc().splitlines()[-3].strip()) from None


def remaining(case, bads, ways, ask):
    """What neither rounding nor a known difference explains, nor the measure that the standard gives where ONNX Runtime is
    none. `ask(case, ways)` runs a case again."""
    from judge import Judge
    from known import known
    from standard import measured_again

    def unexplained(measured, bads):
        judge = Judge(measured)
        return [b for b in bads if not judge.is_rounding(b) and not known(measured, b)]

    def of_values(bad):
        return bad.kind in ("value", "type")

    left = unexplained(case, bads)
    for other in measured_again(case) if any(map(of_values, left)) else ():
        wrong = {b.way for b in left if of_values(b)}
        still = {b.way for b in unexplained(other, ask(other, [w for w in ways if w.name in wrong]))}
        left = [b for b in left if not of_values(b) or b.way in still]
        if not any(map(of_values, left)):
            break
    return left


def work(options, number, weights, results, stop, begun):
    for signal_ in (signal.SIGINT, signal.SIGTERM):  # the parent decides
        signal.signal(signal_, signal.SIG_IGN)
    try:
        Worker(options, number, weights, results, stop, begun).run()
    except Exception:
        results.put(("failed", traceback.format_exc()))
    results.put(("done", number))
    results.close()
    results.join_thread()
    os._exit(0)  # threads of ONNX Runtime may still be there: nothing of theirs is needed


class Campaign:
    """All jobs together: progress, the table at the end, the causes of what is wrong."""

    def __init__(self, options, weights):
        self.options, self.weights = options, weights
        self.tally, self.operators, self.counts = collections.Counter(), collections.Counter(), collections.Counter()
        self.bad = collections.OrderedDict()  # signature -> list of (case id, Bad)
        self.bad_cases = set()
        self.failed = []
        self.listed = None
        if options.keep:
            pathlib.Path(options.keep).mkdir(parents=True, exist_ok=True)
            self.listed = open(pathlib.Path(options.keep) / "wrong.txt", "a", buffering=1)

    def run(self):
        self.context = multiprocessing.get_context("spawn")
        self.results, self.stop = self.context.Queue(), self.context.Event()
        jobs = {number: self.job(number, self.context.Value("q", -1)) for number in range(self.options.jobs)}
        begin = said = time.monotonic()
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_, self.end)
        while jobs:
            try:
                message = self.results.get(timeout=1)
            except queue.Empty:
                message = None
            if message and message[0] == "done":
                jobs.pop(message[1])[0].join(10)
            elif message:
                self.take(message)
            else:
                self.revive(jobs)
            now = time.monotonic()
            if self.options.seconds and now - begin > self.options.seconds:
                self.stop.set()
            if not self.options.quiet and now - said > 10:
                said = now
                print(f"{now - begin:6.0f} s  {self.graphs()} graphs, {self.graphs() / (now - begin):.1f} a second, "
                      f"{len(self.bad_cases)} wrong in {len(self.bad)} groups", flush=True)
        self.seconds = time.monotonic() - begin
        for signal_ in (signal.SIGINT, signal.SIGTERM):  # looking into causes may be cut short
            signal.signal(signal_, signal.SIG_DFL)

    def end(self, number, _frame):
        """The first signal: what is begun is finished and told."""
        self.stop.set()
        signal.signal(number, signal.SIG_DFL)

    def job(self, number, begun):
        process = self.context.Process(target=work, daemon=True,
                                       args=(self.options, number, self.weights, self.results, self.stop, begun))
        process.start()
        return process, begun

    def revive(self, jobs):
        """A job that ended by itself, for want of memory perhaps, goes on behind the graph at which it did."""
        for number, (process, begun) in list(jobs.items()):
            if process.is_alive():
                continue
            name, seed = next(itertools.islice(schedule(self.weights, self.options.start), begun.value, None), ("?", 0))
            self.say(f"job {number} ended with {process.exitcode} while it drew {name}:{seed}")
            self.tally[name, "invalid"] += 1
            self.tally["why", name, "the job ended"] += 1
            jobs[number] = self.job(number, begun)

    def say(self, line):
        """At once, and in the list of what is kept."""
        print(line, flush=True)
        if self.listed:
            self.listed.write(line + "\n")

    def graphs(self):
        return sum(n for k, n in self.tally.items() if k[1] == "graphs")

    def take(self, message):
        if message[0] == "tally":
            self.tally += message[1]
            self.operators += message[2]
            self.counts += collections.Counter(message[3])
        elif message[0] == "bad":
            self.bad_cases.add(message[1])
            bad = message[2][0]
            self.say(f"wrong {message[1]} {bad.way} {bad.kind} {bad.text[:200]}" +
                     "".join(f"; [{i}] {got} instead of {want}" for i, got, want in bad.elements[:1]))
            first = {}
            for bad in message[2]:  # the ways are in order: what fails in the plain one is not the others' fault
                first.setdefault("value" if bad.kind in ("value", "threads", "again", "type") else bad.kind, bad)
            for bad in first.values():
                self.bad.setdefault(signature(message[1], bad), []).append((message[1], bad))
        elif message[0] == "died":
            self.say(f"peer died {message[1]} {message[2]}")
        elif message[0] == "failed":
            self.failed.append(message[1])
            print(message[1], file=sys.stderr)

    def table(self):
        """The families, then the groups of what is wrong, the most frequent first."""
        print(f"\n{'family':18} {'graphs':>8} {'invalid':>8} {'peer died':>10} {'wrong':>6}")
        columns = ("graphs", "invalid", "died", "bad")
        lines = {name: [self.tally[name, c] for c in columns] for name in self.weights}
        lines["all"] = [sum(line[k] for line in lines.values()) for k in range(len(columns))]
        for name, (graphs, invalid, died, bad) in lines.items():
            print(f"{name:18} {graphs:8} {invalid:8} {died:10} {bad:6}")
        print(f"in {self.seconds:.0f} s, {self.graphs() / self.seconds / self.options.jobs:.1f} a second and job")
        if self.bad:
            print(f"\n{len(self.bad)} groups of differences")
        for (family, way, kind, text), cases in sorted(self.bad.items(), key=lambda group: -len(group[1])):
            seeds = ", ".join(case_id.split(":")[1] for case_id, _ in cases[:8]) + (", ..." if len(cases) > 8 else "")
            print(f"{len(cases):6} x {family} {way} {kind} {text}: {seeds}", flush=True)

    def coverage(self):
        from protocol import everything
        passes, kernels = everything(self.options.runner)
        print("\npasses:", ", ".join(f"{p} {self.counts['pass', p]}" for p in passes))
        uncounted = {"share_constants"}  # works on constants, not on nodes
        print("never:", ", ".join(p for p in passes if not self.counts["pass", p] and p not in uncounted) or "none")
        missing = collections.defaultdict(list)
        for kernel, op in kernels.items():
            if not self.counts["kernel", kernel]:
                missing[op].append(kernel)
        print(f"\nkernels: {sum(1 for k in kernels if self.counts['kernel', k])} of {len(kernels)}; never:")
        for op, names in sorted(missing.items()):
            print(f"  {op}: {', '.join(names)}")
        known = known_operators()
        print(f"\noperators: {len(self.operators)}; never: " +
              ", ".join(f"{d}.{o}" if d else o for d, o in sorted(known - set(self.operators))))
        reasons = [(n, k) for k, n in self.tally.items() if k[0] == "why"]
        print("\ninvalid, by reason:")
        for n, (_, family, why) in sorted(reasons, reverse=True)[:40]:
            print(f"  {n:6} {family}: {why}")


def known_operators():
    """Operators that `monza ops` lists, as the build keeps it; empty where it is not at hand."""
    found, domain = set(), ""
    path = next((p for p in (ROOT / "build/generated/tool/operators.md", ROOT / "operators.md") if p.exists()), None)
    if path:
        for line in path.read_text().splitlines():
            if line.startswith("## "):
                title = line[3:].split(":")[0]
                domain = "" if title == "ai.onnx" else title if "." in title else None
            elif domain is not None and (m := re.match(r"\| (\w+) \| \d", line)):
                found.add((domain, m.group(1)))
    return found


def repeat(options):
    """One case: what is wrong with it now."""
    import keep
    from protocol import ways_of
    case = keep.read(options.case) if options.case else draw(*split_id(options.repeat))
    if options.dump:
        keep.write(case, options.dump, [])
    ways = ways_of(case)
    bads = keep.try_case(case, ways, options)
    left = remaining(case, bads, ways, lambda *what: keep.try_case(*what, options))
    for bad in bads:
        print(keep.words(bad) + ("" if bad in left else "\n    explained"))
    print(f"{case.id}: {len(bads)} differences, {len(left)} that rounding or a known reason does not explain")
    return 1 if left else 0


def split_id(text):
    name, _, seed = text.partition(":")
    if not seed.isdigit():
        raise SystemExit(f"differ: '{text}' is no FAMILY:SEED")
    return name, int(seed)


def main():
    options = arguments()
    import families
    weights = {name: weight for name, (_, weight) in families.load().items()}
    if options.list:
        print("\n".join(f"{n} {w}" for n, w in weights.items()))
        return 0
    if not os.access(options.runner, os.X_OK):
        raise SystemExit(f"differ: no program '{options.runner}': ninja -C build monza_differential, or --runner PATH")
    if options.repeat or options.case:
        return repeat(options)
    campaign = Campaign(options, chosen(weights, options.families))
    campaign.run()
    campaign.table()
    if options.coverage:
        campaign.coverage()
    if campaign.bad:
        import causes
        causes.explain(campaign.bad, options)
    died = sum(n for k, n in campaign.tally.items() if k[1] == "died")
    print(f"{campaign.graphs()} graphs, {len(campaign.bad_cases)} of them wrong" +
          (f"; {died} more at which the peer died" if died else ""))
    return 1 if campaign.bad or campaign.failed or not campaign.graphs() else 0


if __name__ == "__main__":
    sys.exit(main())
