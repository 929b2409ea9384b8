"""Looks into what is wrong: the pass or the kernels that matter, the smallest case, one folder for each cause."""
import multiprocessing
import pathlib
import re

import keep
from protocol import DRAWN, TIMED, Runner, Way, everything


class Explained:
    def __init__(self, case_id, bad, cause, count, folder=""):
        self.case_id, self.bad, self.cause, self.count, self.folder = case_id, bad, cause, count, folder


def same(a, b):
    """True if b is the fault a: a crash stays a crash, a wrong value a wrong value."""
    values = {"value", "threads", "again", "type"}
    if a.kind in values or b.kind in values:
        return a.kind in values and b.kind in values
    return a.kind == b.kind


def explain_one(task):
    case_id, bad, count, options = task
    from differ import draw, remaining, split_id
    case = draw(*split_id(case_id))
    way = keep.way_named(case, bad.way)
    runner = [Runner(options.runner, options.isa, options.timeout)]

    def wrong_ways(some_case, ways):
        """Names of the ways in which the fault shows. A crash hides the ways behind it, so they are tried again."""
        found, left = set(), list(ways)
        while left:
            try:
                runner[0].send(some_case, left)
                bads = runner[0].result()[1]
                rest = []
            except Exception as gone:
                bads = gone.args[1]
                runner[0].close()
                runner[0] = Runner(options.runner, options.isa, options.timeout)
                names = [w.name for w in left]
                rest = left[names.index(bads[-1].way) + 1:] if bads[-1].way in names else []
            wrong = remaining(some_case, bads, left, lambda *what: keep.try_case(*what, options))
            found |= {b.way for b in wrong if same(bad, b)}
            left = rest
        return found

    def is_wrong(some_case):
        tries = 3 if way.kernels == TIMED else 1
        return any(wrong_ways(some_case, [way]) for _ in range(tries))

    try:
        if not is_wrong(case):
            return Explained(case_id, bad, "not seen again", count)
        variant = lambda name, **changes: Way(**{**way.__dict__, "name": name, **changes})
        passes = everything(options.runner)[0]
        ways = [variant("unoptimised", optimize=False), variant("first", kernels=0)]
        ways += [variant("without " + p, disabled=(p,)) for p in passes]
        wrong = wrong_ways(case, ways)
        cured = [p for p in passes if "without " + p not in wrong]
        if "unoptimised" in wrong:
            cause = "without passes, too"
        elif way.kernels == DRAWN and "first" not in wrong:
            cause = "kernels drawn" + (", " + " or ".join(cured) if cured else "")
        elif way.kernels == TIMED and "first" not in wrong:
            cause = "kernels timed"
        else:
            cause = " or ".join(cured) or "no single pass"
        if (way.ranged or way.profiles) and "unoptimised" not in wrong and not wrong_ways(case, [variant("fixed", ranged=False, profiles=False)]):
            cause += ", only in a range"
        from judge import Judge
        if "unoptimised" in wrong and Judge(case).reference_agrees(bad):
            cause += "; ONNX's reference agrees with Monza"
        if not options.no_shrink:
            from shrink import Shrinker
            case = Shrinker(case, is_wrong, ranged=way.ranged or way.profiles).run()
        runner[0].send(case, [way])
        try:
            bads = runner[0].result()[1]
        except Exception as gone:
            bads = gone.args[1]
        folder = ""
        if options.keep:
            slug = re.sub(r"[^a-z0-9]+", "_", f"{case_id}_{bad.kind}_{cause}".lower())[:80].strip("_")
            folder = str(pathlib.Path(options.keep) / slug)
            command = f"tests/peers/differential/differ.py --repeat {case_id}, or --case of this folder"
            keep.write(case, folder, bads or [bad], f"Way: {way}\n\nCause: {cause}\n\nSeen {count} times.", command)
        smallest = ", ".join(n.op_type for n in case.model.graph.node[:8])
        return Explained(case_id, bads[0] if bads else bad, f"{cause} [{smallest}]", count, folder)
    except Exception as e:
        return Explained(case_id, bad, f"could not be looked into: {type(e).__name__} {e}", count)
    finally:
        runner[0].close()


def explain(groups, options):
    """Prints the groups with their causes, the most frequent first."""
    ordered = sorted(groups.values(), key=len, reverse=True)
    tasks = [(cases[0][0], cases[0][1], len(cases), options) for cases in ordered[:options.most]]
    if not tasks:
        return []
    print(f"\nlooking into {len(tasks)} of {len(groups)} groups", flush=True)
    with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(tasks))) as pool:
        explained = []
        for e in pool.imap_unordered(explain_one, tasks):
            explained.append(e)
            print(f"\n{e.count} x {e.case_id}: {e.cause}\n  {keep.words(e.bad)}" + (f"\n  kept: {e.folder}" if e.folder else ""),
                  flush=True)
    return explained
