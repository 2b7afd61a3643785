//! Figure 3: where the time of a run goes.

use super::curves::{problem, title};
use super::group::{Field, Group};
use super::picture::Picture;
use crate::row::Goal;
use anyhow::Result;
use cvx_figures::{Panel, Scale, Series, write};
use std::path::Path;

/// A panel for each goal, a bar for each contender that reached it.
pub fn draw(field: &Field, out: &Path) -> Result<Vec<Picture>> {
    let mut panels = Vec::new();
    for goal in field.goals() {
        let mut groups = field.groups_with_best_adam(goal);
        groups.retain(Group::succeeded);
        if groups.is_empty() {
            continue;
        }
        let total = |group: &Group| group.spread(|outcome| Some(outcome.seconds)).map_or(0.0, |spread| spread.mean);
        groups.sort_by(|a, b| total(a).total_cmp(&total(b)));
        panels.push(Panel {
            title: title(goal).to_string(),
            x_label: "seconds".to_string(),
            y_label: format!("{}; mean over the seeds", end(goal)),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            bars: groups.iter().map(|group| format!("{}, {} s", group.label, short(total(group)))).collect(),
            series: phases(&groups).into_iter().map(|label| part(label, &groups)).collect(),
        });
    }
    if panels.is_empty() {
        return Ok(Vec::new());
    }
    let title = format!("Where the time goes: {}", problem(&field.rows[0]));
    write(&title, &panels, panels.len(), &out.join("figure-3"))?;
    let caption = "Figure 3, where the time of a run goes".to_string();
    Ok(vec![Picture { name: "figure-3.png".to_string(), caption }])
}

/// Who has a bar. Adam cannot know the optimum, and stops at its last epoch wherever that is.
fn end(goal: Goal) -> &'static str {
    match goal {
        Goal::Accuracy => "those that reached it",
        Goal::Objective => "those that certified it, and Adam to its last epoch",
    }
}

/// Three digits or so.
fn short(seconds: f64) -> String {
    let digits = if seconds < 0.1 {
        3
    } else if seconds < 10.0 {
        2
    } else {
        1
    };
    format!("{seconds:.digits$}")
}

/// The names of all phases, in the order of the work.
fn phases<'a>(groups: &[Group<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let rows: Vec<_> = groups.iter().flat_map(|group| group.rows.iter().copied()).collect();
    for phase in rows.into_iter().flat_map(|row| &row.outcome.phases) {
        if !names.contains(&phase.name.as_str()) {
            names.push(&phase.name);
        }
    }
    names
}

/// The mean of a phase over each group's runs; 0 where a contender has no such phase.
fn part(label: &str, groups: &[Group]) -> Series {
    let length = |group: &Group| {
        let seconds = group.spread(|outcome| {
            Some(outcome.phases.iter().filter(|phase| phase.name == label).map(|phase| phase.seconds).sum())
        });
        seconds.map_or(0.0, |spread| spread.mean)
    };
    Series::Part { label: label.to_string(), lengths: groups.iter().map(length).collect() }
}
