"""The selection of patients as a flow chart (Fig. 4), from the exclusions that patients.csv lists."""
from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.atomic import write_bytes, write_text
from lirads_keras.io.manifests import COLUMNS, GROUPS, OPTIONAL_COLUMNS
from lirads_keras.io.tables import Column, check_cells, check_unique, read_table

_LINE = 44
"""Characters of a line in a box of exclusions."""

_BOX_STYLE = {"boxstyle": "square,pad=0.6", "facecolor": "white", "edgecolor": "black"}


@dataclass(frozen=True)
class SelectionFlow:
    """`steps`: for each step of the exclusion in order, the reasons with their numbers of patients. `groups`: of those who are included."""

    cohort: str
    screened: int
    steps: tuple[tuple[tuple[str, int], ...], ...]
    groups: tuple[tuple[str, int], ...]

    @property
    def included(self) -> int:
        return self.screened - sum(count for step in self.steps for _, count in step)

    def rows(self) -> list[dict[str, object]]:
        """The chart as a table: box, what it says, patients in it, patients left after it."""
        left = self.screened
        rows: list[dict[str, object]] = [{"box": "screened", "step": 0, "label": "patients screened", "patients": left, "left": left}]
        for number, step in enumerate(self.steps, start=1):
            left -= sum(count for _, count in step)
            rows += [{"box": "excluded", "step": number, "label": reason, "patients": count, "left": left} for reason, count in step]
        rows.append({"box": "included", "step": len(self.steps) + 1, "label": "patients included", "patients": left, "left": left})
        return rows + [{"box": "group", "step": len(self.steps) + 1, "label": group, "patients": count, "left": left} for group, count in self.groups]


def read_selection_flow(folder: Path) -> SelectionFlow:
    """Counts the patients of a manifest's patients.csv by `exclusion_reason` (empty: included) and `exclusion_step` (empty: the first).

    Raises:
        InputError: the table cannot be read, or cells of these columns or of group are wrong; all of them.
    """
    path = folder / "patients.csv"
    columns = {"patient_id": Column("name"), "group": Column("text", required=False, choices=GROUPS), **{
        name: OPTIONAL_COLUMNS["patients"][name] for name in ("exclusion_step", "exclusion_reason")}}
    problems: list[Problem] = []
    table = read_table(path, ("patient_id",), problems, optional=[*COLUMNS["patients"], *OPTIONAL_COLUMNS["patients"]])
    if table is not None:
        table = table.with_columns([*columns, "cohort"])
        if not table.lines:
            problems.append(Problem(str(path), "a row for each patient", "none"))
        check_cells(table, columns, problems)
        check_unique(table, ("patient_id",), problems)
        problems += [Problem(table.where(row, "exclusion_reason"), "the reason for the exclusion at this step", "an empty cell")
                     for row, (step, reason) in enumerate(table.cells("exclusion_step", "exclusion_reason")) if step and not reason]
    raise_if_any(problems)
    assert table is not None
    frame = table.frame
    excluded = frame[frame["exclusion_reason"] != ""]
    order = pd.to_numeric(excluded["exclusion_step"].replace("", "1")).astype(int)
    steps = tuple(_count(excluded.loc[order == step, "exclusion_reason"]) for step in sorted(order.unique()))
    included = frame[frame["exclusion_reason"] == ""]
    groups = tuple((group, count) for group in GROUPS if (count := int((included["group"] == group).sum())))
    return SelectionFlow(" + ".join(sorted(set(frame["cohort"]) - {""})), len(frame), steps, groups)


def describe_selection_flow(flow: SelectionFlow) -> str:
    """The chart in lines of text."""
    lines = [f"Selection of patients{f' ({flow.cohort})' if flow.cohort else ''}"]
    rows = flow.rows()
    for row, following in zip(rows, [*rows[1:], rows[-1]], strict=True):
        # How many are left is said once a step.
        left = f"   ({row['left']} left)" if row["box"] == "excluded" and row["step"] != following["step"] else ""
        lines.append(f"{'  − ' if row['box'] == 'excluded' else '      ' if row['box'] == 'group' else ''}{row['patients']:>6} {row['label']}{left}")
    return "\n".join(lines)


def write_selection_flow(flow: SelectionFlow, out: Path) -> None:
    """Writes selection_flow.csv, .png and .svg."""
    write_text(out / "selection_flow.csv", pd.DataFrame(flow.rows()).to_csv(index=False, lineterminator="\n"))
    figure = plot_selection_flow(flow)
    write_bytes(out / "selection_flow.png", lambda file: figure.savefig(file, format="png", dpi=150))
    write_bytes(out / "selection_flow.svg", lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))


def plot_selection_flow(flow: SelectionFlow) -> Figure:
    """The flow chart: who is left stands in the column of boxes, who is excluded to their right."""
    rows = len(flow.steps) * 2 + 2.4
    figure = Figure(figsize=(8, 0.8 * rows + 0.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(-rows + 0.3, 0.7)
    axes.set_title(f"Selection of patients{f': {flow.cohort}' if flow.cohort else ''}")

    def draw_box(x: float, y: float, text: str, align: str = "center") -> None:
        axes.text(x, y, text, ha=align, va="center", fontsize=9, bbox=_BOX_STYLE, zorder=2)

    def draw_arrow(start: tuple[float, float], end: tuple[float, float]) -> None:
        axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}, zorder=1)

    left, y = flow.screened, 0.0
    draw_box(2.5, y, f"patients screened\nn = {left}")
    for number, step in enumerate(flow.steps, start=1):
        left -= sum(count for _, count in step)
        draw_arrow((2.5, y - 0.35), (2.5, y - 1.65))
        draw_arrow((2.5, y - 1), (4.9, y - 1))
        draw_box(5.1, y - 1, "\n".join(textwrap.fill(f"{reason}: n = {count}", _LINE) for reason, count in step), "left")
        y -= 2
        draw_box(2.5, y, ("patients included" if number == len(flow.steps) else "patients left") + f"\nn = {left}")
    if not flow.steps:
        draw_arrow((2.5, y - 0.35), (2.5, y - 1.1))
        y -= 1.5
        draw_box(2.5, y, f"patients included\nn = {left}")
    for x, (group, count) in zip((1.2, 3.8) if len(flow.groups) > 1 else (2.5,), flow.groups, strict=False):
        draw_arrow((2.5, y - 0.35), (x, y - 1.1))
        draw_box(x, y - 1.5, f"{group}\nn = {count}")
    return figure


def _count(reasons: pd.Series) -> tuple[tuple[str, int], ...]:
    """Reasons by decreasing number; equal ones by name."""
    counts = reasons.value_counts()
    return tuple(sorted(((str(reason), int(count)) for reason, count in counts.items()), key=lambda item: (-item[1], item[0])))
