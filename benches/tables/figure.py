"""The scores as a picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from tables.report import Summary

mpl.use("agg")

#: Colour-blind safe (Okabe and Ito); a method and its tuned variant share a colour.
COLOURS = {
    "cvx": "#d55e00",
    "linear": "#666666",
    "mlp": "#0072b2",
    "svm": "#009e73",
    "forest": "#e69f00",
    "lightgbm": "#cc79a7",
}

#: Differences from the best score that are larger are drawn at this one.
FARTHEST = 0.25

#: What an SVG would contain of the clock or of chance.
FIXED = {"svg.hashsalt": "tables", "svg.fonttype": "none", "font.size": 9}


def colour(method: str) -> str:
    return COLOURS[method.removesuffix("-tuned")]


def marker(method: str) -> dict[str, object]:
    """cvx is a large diamond, a method without tuning hollow where a tuned one exists."""
    if method == "cvx":
        return {"marker": "D", "s": 58, "facecolor": colour(method), "zorder": 4}
    hollow = method in ("mlp", "svm")
    return {"marker": "o", "s": 30, "facecolor": "white" if hollow else colour(method), "zorder": 3}


def draw(of: Summary, path: Path) -> None:
    """Writes `path`.png and `path`.svg: scores by table, and mean ranks."""
    import matplotlib.pyplot as plt

    with mpl.rc_context(FIXED):
        height = 1.6 + 0.36 * max(len(of.scores), of.scores.shape[1])
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, height), width_ratios=[2.2, 1], layout="constrained")
        draw_scores(of, left)
        draw_ranks(of, right)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_name(f"{path.name}.png"), dpi=150)
        figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None})
        plt.close(figure)


def draw_scores(of: Summary, axes: Axes) -> None:
    """A line of points for each table: by how much each method is below the best one. Methods lie side by side."""
    best = of.scores.max(axis=1).sort_values()
    below = of.scores.loc[best.index].sub(best, axis=0)
    places = np.arange(len(best))
    for place in places[::2]:
        axes.axhspan(place - 0.5, place + 0.5, color="#f3f3f3", zorder=0)
    for offset, method in zip(np.linspace(0.32, -0.32, of.scores.shape[1]), of.scores, strict=True):
        shown, beyond = below[method].clip(lower=-FARTHEST), below[method] < -FARTHEST
        style = {"edgecolor": colour(method), "linewidth": 1.2} | marker(method)
        axes.scatter(shown[~beyond], (places + offset)[~beyond], label=method, **style)
        axes.scatter(shown[beyond], (places + offset)[beyond], **style | {"marker": "<"})
    measures = of.tables["task"].map({"regression": "R2", "classification": "accuracy"})
    axes.set_yticks(places, [f"{name}: {measures[name]} {score:.3f}" for name, score in best.items()])
    axes.set_ylim(-0.5, len(best) - 0.5)
    axes.set_xlim(right=0.01)
    axes.set_xlabel(f"score minus the best of the table (triangles: less than -{FARTHEST})")
    axes.set_title("Mean scores by table, with the best one")
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def draw_ranks(of: Summary, axes: Axes) -> None:
    """A bar for each method, the best on top."""
    ranks = of.ranks.mean().sort_values(ascending=False)
    face = [marker(name)["facecolor"] for name in ranks.index]
    edge = [colour(name) for name in ranks.index]
    bars = axes.barh(ranks.index, ranks, color=face, edgecolor=edge, linewidth=1.5, height=0.6)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlim(0, len(ranks))
    axes.set_xlabel("mean rank, 1 is best")
    axes.set_title(f"Ranks on {len(of.scores)} tables")
