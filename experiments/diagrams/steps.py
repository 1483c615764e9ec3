"""The workflow's stages (Fig. 2) and the pipeline's steps (Fig. 5) as diagrams, read from their source files without running them."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from diagrams.diagram import Diagram, Edge, Node
from stages import CHECKOUT, EXPERIMENTS, STAGES

from lirads_keras.entities import FEATURE_PHASES, HEAD_FEATURES, Phase
from lirads_keras.lirads.categorize import FEATURE_WORDS

PIPELINE = CHECKOUT / "lirads_keras" / "pipeline.py"
ENTRY = "analyse_study"
"""The function of the pipeline that takes a study to its report."""


def describe_workflow() -> Diagram:
    """Stages in rows, each just above the first that needs it."""
    purposes = read_purposes()
    rows: dict[str, int] = {}
    for name in reversed(STAGES):
        rows[name] = min((rows[later] for later, stage in STAGES.items() if name in stage.needs), default=0) - 1
    top = min(rows.values())
    nodes = [Node(name, name, "step", sum(rows[other] == rows[name] for other in list(STAGES)[:index]), top - rows[name], purposes[name])
             for index, name in enumerate(STAGES)]
    return Diagram(nodes, [Edge(need, name) for name, stage in STAGES.items() for need in stage.needs])


def read_purposes() -> dict[str, str]:
    """What each stage does: the first line of the script that hands the stage's name to `run_stage`."""
    found = {}
    for path in sorted(EXPERIMENTS.glob("*.py")):
        script = ast.parse(path.read_text(encoding="utf-8"))
        for call in ast.walk(script):
            if isinstance(call, ast.Call) and _name(call.func) == "run_stage" and isinstance(call.args[0], ast.Constant):
                name = str(call.args[0].value)
                found[name] = (ast.get_docstring(script) or "").splitlines()[0].removeprefix(f"Stage {name}: ").rstrip(".")
    return found


def describe_pipeline() -> Diagram:
    """Steps below one another, in the order of the module's own table; an arrow where a step reads what another one gave."""
    module = ast.parse(PIPELINE.read_text(encoding="utf-8"))
    table = _read_table(module)
    # The module's table refers to Eq. 4's, which a reader of the figure does not have beside it.
    words = {"predict_features": describe_feature_phases()}
    nodes = [Node(step, step, "step", 0, -row, f"{given} → {result}; {words.get(step, what)}") for row, (step, given, result, what) in enumerate(table)]
    trace = _Trace([step for step, *_ in table], _functions(module))
    entry = trace.functions[ENTRY]
    results = {result: step for step, _, result, _ in table}
    trace.made_by = {argument.arg: {results[ast.unparse(argument.annotation)]} for argument in entry.args.args
                     if argument.annotation and ast.unparse(argument.annotation) in results}
    trace.follow(entry.body)
    return Diagram(nodes, [Edge(source, step) for source, step in trace.edges])


def describe_feature_phases() -> str:
    """Eq. 4's table in words: features that are read from the same phases stand together."""
    features: dict[tuple[Phase, ...], list[str]] = {}
    for feature in HEAD_FEATURES:
        features.setdefault(FEATURE_PHASES[feature], []).append(FEATURE_WORDS[feature])
    return ", ".join(f"{' and '.join(words)} from {' + '.join(str(phase).replace('_', ' ') for phase in phases)}" for phases, words in features.items())


def _read_table(module: ast.Module) -> list[tuple[str, str, str, str]]:
    """Step, what it is given, what it gives, and what it does: the indented lines of the module's docstring."""
    found: list[tuple[str, str, str, str]] = re.findall(r"^ {4}(\w+) {2,}(.+?) -> (.+?) {2,}(.+)$", ast.get_docstring(module, clean=False) or "", re.MULTILINE)
    return found


def _functions(module: ast.Module) -> dict[str, ast.FunctionDef]:
    return {statement.name: statement for statement in module.body if isinstance(statement, ast.FunctionDef)}


def _name(expression: ast.AST) -> str:
    """The last part of a dotted name; "" for anything else."""
    return expression.id if isinstance(expression, ast.Name) else expression.attr if isinstance(expression, ast.Attribute) else ""


class _Trace:
    """Follows the statements of a function: which step's result reaches which step, by the names that hold it."""

    def __init__(self, steps: Iterable[str], functions: Mapping[str, ast.FunctionDef]) -> None:
        self.steps, self.functions = list(steps), functions
        self.made_by: dict[str, set[str]] = {}
        self.edges: dict[tuple[str, str], None] = {}

    def follow(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Assign):
                self._bind(statement.targets, self._visit(statement.value))
            else:
                self._visit(statement)

    def _bind(self, targets: Iterable[ast.expr], makers: set[str]) -> None:
        for target in targets:
            self.made_by |= {part.id: makers for part in ast.walk(target) if isinstance(part, ast.Name)}

    def _visit(self, node: ast.AST) -> set[str]:
        """The steps whose results are in the value of an expression."""
        if isinstance(node, ast.Name):
            return self.made_by.get(node.id, set())
        if isinstance(node, ast.Attribute):
            # An attribute that is not called is a setting or an id.
            return set()
        if isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            for loop in node.generators:
                self._bind([loop.target], self._visit(loop.iter))
            return self._visit(node.elt)
        inner: list[ast.AST] = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call):
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            inner = [*([owner] if owner else []), *node.args, *(keyword.value for keyword in node.keywords)]
        makers = set().union(*(self._visit(part) for part in inner))
        step = self._find_step(node.func) if isinstance(node, ast.Call) else None
        if step is None:
            return makers
        self.edges |= dict.fromkeys((source, step) for source in self.steps if source in makers)
        return {step}

    def _find_step(self, called: ast.expr) -> str | None:
        """The step that a call stands for: by its name, or because it calls the step, or one that begins with its name."""
        name = _name(called)
        if name in self.steps or name not in self.functions:
            return name if name in self.steps else None
        calls = [_name(call.func) for call in ast.walk(self.functions[name]) if isinstance(call, ast.Call)]
        return next((step for step in self.steps for call in calls if call == step or call.startswith(f"{step}_")), None)
