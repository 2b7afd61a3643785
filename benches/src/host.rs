//! Where a measurement was made.

use serde::{Deserialize, Serialize};
use std::fs::read_to_string;
use std::process::Command;

/// Machine and revision of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    cpu: String,
    threads: usize,
    revision: String,
}

impl Host {
    /// This machine, this checkout.
    pub fn new(threads: usize) -> Self {
        let cpu = read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_string())
        });
        let git = |arguments: &[&str]| {
            let output = Command::new("git").args(arguments).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
        };
        let revision = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_string());
        // Rows, and the pages and pictures made of them, change while a campaign runs.
        let measured = ["--", ":(top)", ":(top,exclude)benches/results", ":(top,exclude)docs"];
        let status = git(&[&["status", "--porcelain", "--untracked-files=no"], &measured[..]].concat());
        let dirty = status.is_some_and(|changes| !changes.is_empty());
        Host {
            cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_string()),
            threads,
            revision: if dirty { format!("{revision}+changes") } else { revision },
        }
    }

    /// In words.
    pub fn place(&self) -> String {
        format!("{} threads of {}, revision {}", self.threads, self.cpu, self.revision)
    }
}

/// Largest resident size of this process so far.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
