//! `--help`.

use crate::lab::Lab;

#[test]
fn help_shows_examples_and_sources() {
    let lab = Lab::new();
    for command in ["train", "path", "predict", "prove", "verify", "info", "export"] {
        let help = lab.done(&format!("{command} --help")).stdout;
        assert!(help.contains("Example") && help.contains(&format!("\n  cvx {command} ")), "{help}");
        assert!(lab.done("--help").stdout.contains(&format!("\n  {command} ")));
    }
    for help in [lab.done("--help").stdout, lab.done("train -h").stdout] {
        assert!(help.contains("Data sources:") && help.contains("CIFAR-10"));
    }
    assert!(lab.done("--version").stdout.starts_with("cvx "));
    assert_eq!(lab.cvx("").code, Some(2));
}

/// Two screens of 55 lines at 100 columns.
#[test]
fn the_options_of_train_and_path_are_grouped_and_fit_two_screens() {
    let lab = Lab::new();
    for (command, headings) in [
        ("train", &["Choice of beta:", "Data:", "Model:", "Constraints:", "Stopping:", "Output:", "Advanced:"][..]),
        ("path", &["Path:", "Choice of beta:", "Data:", "Model:", "Constraints:", "Stopping:", "Output:", "Advanced:"]),
    ] {
        for flag in ["-h", "--help"] {
            let help = lab.cvx_with(&[("COLUMNS", "100")], &format!("{command} {flag}")).stdout;
            let lines: Vec<&str> = help.lines().collect();
            assert!(lines.len() <= 110, "{command} {flag}: {} lines", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= 100), "{help}");
            let mut rest = lines.iter();
            assert!(headings.iter().all(|heading| rest.any(|line| line == heading)), "{help}");
            // Options without a heading: help alone.
            let others = lines.iter().skip_while(|line| **line != "Options:").skip(1);
            assert_eq!(others.take_while(|line| !line.is_empty()).count(), 1, "{help}");
        }
    }
}

#[test]
fn gaps_and_patterns_have_a_default_for_each_command() {
    let lab = Lab::new();
    let help = [lab.done("train --help").stdout, lab.done("path --help").stdout];
    assert!(help.iter().all(|help| help.contains("Certified relative gap to stop at [default: 0.001]")));
    assert!(!help[0].contains("--path-gap") && help[1].contains("[default: 0.01]"));
    assert!(help[1].contains("betas in equal ratios") && help[1].contains("[default: 50]"));
}
