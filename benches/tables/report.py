"""What the rows say: means, ranks, and this project against each method, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tables.methods import METHODS
from tables.rows import WORST_R2

#: The methods that cvx is to be as good as on every table.
RIVALS = ["mlp", "mlp-tuned", "svm", "svm-tuned"]

#: Mean scores that differ by less are equal.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Summary:
    """Numbers of the tables that every method has the same splits of."""

    #: Mean score over the splits by table (rows) and method (columns).
    scores: pd.DataFrame
    #: For each table: samples, features and task.
    tables: pd.DataFrame
    #: Medians over all fits by method: seconds and cpu_seconds.
    times: pd.DataFrame
    #: Mean log loss by method, of the classification tables; NaN for a method without probabilities.
    log_loss: pd.Series
    #: Failed fits by method.
    failed: pd.Series
    #: Tables that some method has fewer splits of.
    incomplete: list[str]

    @property
    def ranks(self) -> pd.DataFrame:
        """Ranks by table, 1 for the best; equal scores share the mean of their ranks."""
        return self.scores.round(9).rank(axis=1, ascending=False)


def summary(rows: pd.DataFrame) -> Summary:
    """Summarises rows; a failed fit counts as accuracy 0 or as R2 -1.

    Raises
    ------
    ValueError
        No table has the same splits of every method.
    """
    methods = [name for name in METHODS if name in set(rows["method"])]
    order = list(dict.fromkeys(rows["data"]))
    splits = {
        table: {frozenset(of["seed"][of["method"] == name]) for name in methods} for table, of in rows.groupby("data")
    }
    complete = [table for table in order if len(splits[table]) == 1]
    if not complete:
        raise ValueError("no table has rows of every method for the same splits")
    rows = rows[rows["data"].isin(complete)]
    worst = (rows["task"] == "regression").map({True: WORST_R2, False: 0.0})
    rows = rows.assign(score=pd.to_numeric(rows["score"]).fillna(worst), log_loss=pd.to_numeric(rows["log_loss"]))
    by_method = rows.groupby("method")
    return Summary(
        scores=rows.pivot_table("score", "data", "method").loc[complete, methods],
        tables=rows.groupby("data")[["n_samples", "n_features", "task"]].first().loc[complete],
        times=by_method[["seconds", "cpu_seconds"]].median().loc[methods],
        log_loss=by_method["log_loss"].mean().loc[methods],
        failed=by_method["status"].agg(lambda status: (status == "Failed").sum()).loc[methods],
        incomplete=[table for table in order if table not in complete],
    )


def text(of: Summary) -> str:
    """Scores by table, a summary by method, and the tables where cvx is worse than SVM or MLP."""
    parts = [scores(of), methods(of)]
    if "cvx" in of.scores:
        parts.append(deficit(of))
    if of.incomplete:
        parts.append(f"Not in these numbers, for some method has fewer splits: {', '.join(of.incomplete)}.")
    return "\n\n".join(parts)


def scores(of: Summary) -> str:
    """The mean score of each method on each table, the best in bold."""
    body = []
    for table, row in of.scores.iterrows():
        about = of.tables.loc[table]
        bold = row >= row.max() - ROUNDING
        cells = [f"**{score:.3f}**" if bold[name] else f"{score:.3f}" for name, score in row.items()]
        measure = "R2" if about["task"] == "regression" else "accuracy"
        body.append([str(table), measure, str(about["n_samples"]), str(about["n_features"]), *cells])
    return markdown(["table", "score", "n", "d", *of.scores.columns], body, 2)


def methods(of: Summary) -> str:
    """Mean score, mean rank, times, log loss, and how often cvx wins against the method."""
    ranks = of.ranks.mean()
    head = ["method", "mean score", "mean rank", "median seconds", "median CPU seconds", "mean log loss", "failed"]
    versus = "cvx" in of.scores
    body = []
    for name in of.scores:
        loss = of.log_loss[name]
        cells = [f"{of.scores[name].mean():.4f}", f"{ranks[name]:.2f}"]
        cells += [f"{seconds:.3f}" for seconds in of.times.loc[name]]
        cells += ["" if pd.isna(loss) else f"{loss:.3f}", str(of.failed[name])]
        if versus:
            gain = of.scores["cvx"] - of.scores[name]
            wins, losses = (gain > ROUNDING).sum(), (gain < -ROUNDING).sum()
            cells.append("" if name == "cvx" else f"{wins} to {losses}")
        body.append([name, *cells])
    return markdown([*head, "cvx wins to losses"] if versus else head, body, 1)


def deficit(of: Summary) -> str:
    """By how much cvx is worse than the best of MLP and SVM, on the worst table and on how many."""
    rivals = [name for name in RIVALS if name in of.scores]
    if not rivals:
        return "There are no rows of MLP or SVM to compare cvx with."
    best = of.scores[rivals].max(axis=1)
    lacks = best - of.scores["cvx"]
    worst = lacks.idxmax()
    behind = f"cvx is behind the best of {', '.join(rivals)} on {(lacks > ROUNDING).sum()} of {len(lacks)} tables."
    values = f"{of.scores['cvx'][worst]:.4f} against {best[worst]:.4f} of {of.scores.loc[worst, rivals].idxmax()}"
    return f"{behind} The largest deficit is {lacks[worst]:.4f}, on {worst}: {values}. Its mean is {lacks.mean():.4f}."


def markdown(head: list[str], body: list[list[str]], texts: int) -> str:
    """A table whose first columns are texts and whose others are numbers."""
    rule = ["---" if at < texts else "---:" for at in range(len(head))]
    lines = [" | ".join(cells).join(["| ", " |"]) for cells in (head, *body)]
    lines.insert(1, "|".join(["", *rule, ""]))
    return "\n".join(lines)
