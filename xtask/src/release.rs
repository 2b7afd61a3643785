//! `cargo xtask release --dry-run`: a release up to what only a person does, into a folder below `target`.

use crate::python;
use crate::sbom::{bill, list, text};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Where everything that is uploaded lies; it is emptied first.
const FOLDER: &str = "target/dist";

const CHANGELOG: &str = "CHANGELOG.md";
const CHECKSUMS: &str = "SHA256SUMS";

/// How much of a release to go through.
#[derive(clap::Args)]
pub struct Args {
    /// Do everything but the tag and the uploads. Without it, nothing is done: the command says what a person does.
    #[arg(long)]
    dry_run: bool,
    /// Compile every crate from its package.
    #[arg(long)]
    verify: bool,
    /// Leave out the wheel, which is a build for release.
    #[arg(long)]
    no_wheel: bool,
    /// Go on with changes that are not committed.
    #[arg(long)]
    allow_dirty: bool,
}

/// A crate of the workspace.
#[derive(Debug)]
struct Member {
    name: String,
    version: String,
    is_published: bool,
    /// Whether the manifest says where the sources are.
    has_address: bool,
    /// The crates of the workspace that it names, with the version that it asks for.
    needs: BTreeMap<String, String>,
}

/// Goes through a release and says what was done; stops at the first step that fails.
pub fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let metadata = metadata(root)?;
    let members = members(&metadata);
    let version = one_version(&members)?;
    let order = order(&members)?;
    if !args.dry_run {
        bail!("a release is made by a person; `cargo xtask release --dry-run` makes its files.\n{}", by_hand(version));
    }
    let changes = changes(root)?;
    if changes.is_empty() {
        println!("==> the tree has no changes");
    } else {
        ensure!(args.allow_dirty, "the tree has changes: commit them, or add --allow-dirty\n{changes}");
        println!("==> the tree has changes: what follows is of no revision");
    }
    println!("==> {} crates have version {version}", members.len());
    let changelog = fs::read_to_string(root.join(CHANGELOG)).context(CHANGELOG)?;
    let heading = heading(&changelog, version).with_context(|| format!("{CHANGELOG} has no heading of {version}"))?;
    println!("==> {CHANGELOG}: ## {heading}");
    let folder = root.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    package(root, args, &order)?;
    collect(Path::new(text(&metadata, "target_directory")), &folder, &order, version)?;
    println!("==> {} packages: {}", order.len(), order.join(", "));
    python::distributions(root, &folder, !args.no_wheel)?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    let bill = bill(&metadata, &lock, version)?;
    let name = format!("cvx-{version}.cdx.json");
    fs::write(folder.join(&name), format!("{bill:#}\n"))?;
    println!("==> {name}: {} components", list(&bill, "components").count());
    let sums = checksums(&folder)?;
    fs::write(folder.join(CHECKSUMS), &sums)?;
    println!("==> {FOLDER}/{CHECKSUMS}:\n{sums}\n{}", by_hand(version));
    if !heading.starts_with(version) {
        println!("First, the heading in {CHANGELOG} becomes `## {version}` with the date.");
    }
    if members.iter().any(|member| member.is_published && !member.has_address) {
        println!("First, the manifests get the address of the repository.");
    }
    Ok(ExitCode::SUCCESS)
}

/// What the command never does.
fn by_hand(version: &str) -> String {
    format!(
        "By hand remain:\n\
         * the tag: `git tag --sign v{version}`, and to push it;\n\
         * the crates: `cargo publish --workspace --locked` (cargo 1.90 or newer), in the order of their packages;\n\
         * the Python package: `maturin upload` with its source distribution and a wheel of every platform;\n\
         * the files of {FOLDER} beside the tag, and a signature of {CHECKSUMS}."
    )
}

/// What `cargo metadata` says of the workspace and of all dependencies, with every feature and for every platform.
fn metadata(root: &Path) -> Result<Value> {
    let arguments = ["metadata", "--locked", "--all-features", "--format-version", "1"];
    let output = cargo(root).args(arguments).stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "cargo metadata: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The crates of the workspace.
fn members(metadata: &Value) -> Vec<Member> {
    let inside: BTreeSet<&str> = list(metadata, "workspace_members").filter_map(Value::as_str).collect();
    let packages = list(metadata, "packages").filter(|package| inside.contains(text(package, "id")));
    let member = |package| Member {
        name: text(package, "name").to_string(),
        version: text(package, "version").to_string(),
        is_published: package["publish"] != json!([]),
        has_address: !package["repository"].is_null(),
        needs: list(package, "dependencies")
            .filter(|needed| !needed["path"].is_null())
            .map(|needed| (text(needed, "name").to_string(), text(needed, "req").to_string()))
            .collect(),
    };
    packages.map(member).collect()
}

/// The version of all crates, which is also the one that they ask each other for.
fn one_version(members: &[Member]) -> Result<&str> {
    let version = &members.first().context("the workspace has no crates")?.version;
    for Member { name, version: own, needs, .. } in members {
        ensure!(own == version, "{name} has version {own}, another crate {version}");
        let other = needs.iter().find(|(_, asked)| asked.trim_start_matches('^') != version);
        if let Some((needed, asked)) = other {
            bail!("{name} asks for {needed} {asked}, but its version is {version}");
        }
    }
    Ok(version)
}

/// The published crates, each after those that it needs, for tests too.
fn order(members: &[Member]) -> Result<Vec<&str>> {
    let mut ahead: Vec<&Member> = members.iter().filter(|member| member.is_published).collect();
    let mut order = Vec::new();
    while !ahead.is_empty() {
        let ready = |member: &&Member| member.needs.keys().all(|needed| order.contains(&needed.as_str()));
        let Some(next) = ahead.iter().position(ready) else {
            let names: Vec<&str> = ahead.iter().map(|member| member.name.as_str()).collect();
            bail!("no order: {names:?} need each other, or a crate that is not published");
        };
        order.push(ahead.remove(next).name.as_str());
    }
    Ok(order)
}

/// The heading of the changelog that names the version as a word.
fn heading<'a>(changelog: &'a str, version: &str) -> Option<&'a str> {
    let mut headings = changelog.lines().filter_map(|line| line.strip_prefix("## "));
    headings.find(|heading| heading.split([' ', '[', ']', ':']).any(|word| word == version))
}

/// What git lists as changed or unknown.
fn changes(root: &Path) -> Result<String> {
    let output = Command::new("git").args(["status", "--porcelain"]).current_dir(root).output();
    let output = output.context("git cannot be started")?;
    ensure!(output.status.success(), "git status: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Packages the crates in one call, since none of them has to be published for the next one.
fn package(root: &Path, args: &Args, order: &[&str]) -> Result<()> {
    let mut command = cargo(root);
    command.args(["package", "--quiet", "--locked"]);
    command.args((!args.verify).then_some("--no-verify"));
    command.args(args.allow_dirty.then_some("--allow-dirty"));
    command.args(order.iter().flat_map(|name| ["--package", name]));
    let status = command.status().context("cargo cannot be started")?;
    ensure!(status.success(), "cargo package: {status}");
    Ok(())
}

/// Copies the packages into the folder.
fn collect(target: &Path, folder: &Path, order: &[&str], version: &str) -> Result<()> {
    for name in order {
        let file = format!("{name}-{version}.crate");
        fs::copy(target.join("package").join(&file), folder.join(&file)).with_context(|| file)?;
    }
    Ok(())
}

/// The SHA-256 of every file of a folder, as `sha256sum --check` reads it, by name.
fn checksums(folder: &Path) -> Result<String> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file() && !path.ends_with(CHECKSUMS));
    files.sort();
    let mut lines = String::new();
    for path in files {
        let sum: String = Sha256::digest(fs::read(&path)?).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        lines.push_str(&format!("{sum}  {name}\n"));
    }
    Ok(lines)
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, is_published: bool, needs: &[&str]) -> Member {
        let needs = needs.iter().map(|needed| (needed.to_string(), "^1.2.0".to_string())).collect();
        Member { name: name.to_string(), version: "1.2.0".to_string(), is_published, has_address: true, needs }
    }

    #[test]
    fn a_crate_comes_after_those_that_it_needs() {
        let members = [
            member("a", true, &["b", "c"]),
            member("b", true, &["c"]),
            member("c", true, &[]),
            member("x", false, &[]),
        ];
        assert_eq!(order(&members).unwrap(), ["c", "b", "a"]);
        assert!(order(&[member("a", true, &["b"]), member("b", true, &["a"])]).is_err());
        assert!(order(&[member("a", true, &["x"]), member("x", false, &[])]).is_err());
    }

    #[test]
    fn versions_that_differ_are_found_in_crates_and_in_what_they_ask_for() {
        let mut members = [member("a", true, &["b"]), member("b", true, &[])];
        assert_eq!(one_version(&members).unwrap(), "1.2.0");
        members[0].needs.insert("b".to_string(), "^1.1.0".to_string());
        assert_eq!(one_version(&members).unwrap_err().to_string(), "a asks for b ^1.1.0, but its version is 1.2.0");
        members[0] = member("a", true, &[]);
        members[1].version = "1.3.0".to_string();
        assert!(one_version(&members).is_err());
    }

    #[test]
    fn a_heading_names_the_whole_version() {
        for text in ["## 1.2.0", "# a\n## [1.2.0] - 2030-01-01", "## Unreleased: 1.2.0\n"] {
            assert!(heading(text, "1.2.0").is_some(), "{text}");
        }
        for text in ["## 1.2.0-rc.1", "## 11.2.0", "1.2.0", "### 1.2.0", ""] {
            assert_eq!(heading(text, "1.2.0"), None, "{text}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_files_by_name() {
        let folder = env::temp_dir().join(format!("cvx-release-{}", std::process::id()));
        fs::create_dir_all(folder.join("folder")).unwrap();
        for (name, content) in [("b.crate", "abc"), ("a.whl", ""), (CHECKSUMS, "old")] {
            fs::write(folder.join(name), content).unwrap();
        }
        let sums = checksums(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        // Of nothing, and of "abc" (FIPS 180-2, appendix B.1).
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.whl\n\
                        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.crate\n";
        assert_eq!(sums, expected);
    }

    /// The workspace as it is: cargo reads it from the disk, without network.
    #[test]
    fn this_workspace_has_one_version_an_order_and_a_bill_of_all_that_it_locks() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let arguments = ["metadata", "--locked", "--offline", "--all-features", "--format-version", "1"];
        let output = cargo(root).args(arguments).output().unwrap();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            // Crates of other platforms are downloaded by `cargo fetch` only. Another error is one of the workspace.
            assert!(["failed to download", "offline mode"].iter().any(|absent| error.contains(absent)), "{error}");
            println!("skipped: {error}");
            return;
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let members = members(&metadata);
        let version = one_version(&members).unwrap();
        let order = order(&members).unwrap();
        let place = |name: &str| order.iter().position(|other| *other == name).unwrap();
        assert!(
            place("cvx-linalg") < place("cvx-data")
                && place("cvx-data") < place("cvx-admm")
                && place("cvx-admm") < place("cvx-cli")
        );
        assert!(!order.contains(&"xtask") && !order.contains(&"cvx-python"));
        assert!(heading(&fs::read_to_string(root.join(CHANGELOG)).unwrap(), version).is_some());
        let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
        let bill = bill(&metadata, &lock, version).unwrap();
        let components: Vec<&Value> = list(&bill, "components").collect();
        let locked: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
        assert!(locked.len() > 100 && components.len() == locked.len());
        for component in components {
            assert!(!text(component, "version").is_empty(), "{component}");
            assert!(!text(&component["licenses"][0], "expression").is_empty(), "{component}");
        }
    }
}
