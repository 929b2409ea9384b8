"""Every family of random graphs. A file here declares some with @family; adding one edits no other file."""
import importlib
import pathlib

FAMILIES = {}


def family(name, weight=1.0):
    """Declares a family: the function draws one graph. `weight`: how often it is tried beside the others."""
    def declare(draw):
        FAMILIES[name] = (draw, weight)
        return draw
    return declare


def load():
    """All families, by name: (function, weight)."""
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"families.{path.stem}")
    return FAMILIES


def make(name, seed):
    """The case of a family and a seed, without what it must compute. Raises Invalid."""
    from graph import Graph
    draw, _ = load()[name]
    graph = Graph(name, seed)
    draw(graph)
    return graph.case()
