//! Commands as a shell takes them.

use std::ffi::OsString;

/// An argument, quoted where the shell needs it.
pub fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_string();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

/// The command line of this program.
pub fn command(arguments: impl Iterator<Item = OsString>) -> String {
    let quoted = arguments.skip(1).map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once("cvx".to_string()).chain(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_command_as_it_was() {
        let arguments =
            ["/usr/bin/cvx", "train", "--data", "my table.csv", "", "it's", "--beta=0.1"].map(OsString::from);
        assert_eq!(command(arguments.into_iter()), r"cvx train --data 'my table.csv' '' 'it'\''s' --beta=0.1");
    }
}
