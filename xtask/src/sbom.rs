//! The bill of materials of a release (SBOM): every crate of Cargo.lock, with licence, checksum and what it needs, as
//! CycloneDX 1.6. It has neither a time nor a path, so that one revision always gives the same bytes.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use toml::Table;

/// The bill of the program, from what `cargo metadata` prints and from Cargo.lock.
///
/// # Errors
/// A crate of Cargo.lock that the metadata lack, and one without a licence.
pub fn bill(metadata: &Value, lock: &str, version: &str) -> Result<Value> {
    let shipped = shipped(metadata);
    let checksums = checksums(lock)?;
    let names = names(metadata);
    let mut components = Vec::new();
    for package in list(metadata, "packages") {
        let name = names.get(text(package, "id")).context("a package without an id")?;
        components.push(component(package, name, shipped.contains(name), checksums.get(name).map(String::as_str))?);
    }
    components.sort_by_key(|component| text(component, "bom-ref").to_string());
    let listed: BTreeSet<&str> = components.iter().map(|component| text(component, "bom-ref")).collect();
    let missing: Vec<&String> = checksums.keys().filter(|name| !listed.contains(name.as_str())).collect();
    ensure!(missing.is_empty(), "cargo metadata lacks {missing:?} of Cargo.lock");
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": { "type": "application", "name": "cvx", "version": version, "bom-ref": "cvx" } },
        "components": components,
        "dependencies": dependencies(metadata, &names),
    }))
}

/// What the program and the Python package contain or are built with, by name and version. The rest is for tests,
/// benchmarks and tasks.
fn shipped(metadata: &Value) -> BTreeSet<String> {
    let names = names(metadata);
    let roots = list(metadata, "packages").filter(|package| ["cvx-cli", "cvx-python"].contains(&text(package, "name")));
    let mut ahead: Vec<&str> = roots.map(|package| text(package, "id")).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").map(|node| (text(node, "id"), node)).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = ahead.pop() {
        let (Some(name), Some(node)) = (names.get(id), nodes.get(id)) else { continue };
        if found.insert(name.clone()) {
            let needed = list(node, "deps").filter(|edge| list(edge, "dep_kinds").any(|kind| kind["kind"] != "dev"));
            ahead.extend(needed.map(|edge| text(edge, "pkg")));
        }
    }
    found
}

fn component(package: &Value, name: &str, is_shipped: bool, checksum: Option<&str>) -> Result<Value> {
    let licence = text(package, "license");
    ensure!(!licence.is_empty(), "{name} has no licence in its manifest");
    let version = text(package, "version");
    let mut component = json!({
        "type": "library",
        "bom-ref": name,
        "name": text(package, "name"),
        "version": version,
        "scope": if is_shipped { "required" } else { "excluded" },
        "licenses": [{ "expression": expression(licence) }],
    });
    // A crate that is not published has no address.
    if package["publish"] != json!([]) {
        component["purl"] = json!(format!("pkg:cargo/{}@{}", text(package, "name"), version.replace('+', "%2B")));
    }
    if let Some(checksum) = checksum.filter(|checksum| !checksum.is_empty()) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    Ok(component)
}

/// A licence as SPDX writes it: older manifests have a slash for OR.
fn expression(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

fn dependencies(metadata: &Value, names: &BTreeMap<&str, String>) -> Vec<Value> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in list(&metadata["resolve"], "nodes") {
        let needed = list(node, "dependencies").filter_map(Value::as_str).filter_map(|id| names.get(id));
        if let Some(name) = names.get(text(node, "id")) {
            edges.insert(name, needed.map(String::as_str).collect());
        }
    }
    edges.into_iter().map(|(name, needed)| json!({ "ref": name, "dependsOn": needed })).collect()
}

/// Name and version of each package by its id, which has a path of this machine in it.
fn names(metadata: &Value) -> BTreeMap<&str, String> {
    let name = |package| format!("{}@{}", text(package, "name"), text(package, "version"));
    list(metadata, "packages").map(|package| (text(package, "id"), name(package))).collect()
}

/// The SHA-256 of every crate of Cargo.lock by name and version; empty for those of the workspace.
fn checksums(lock: &str) -> Result<BTreeMap<String, String>> {
    let lock: Table = lock.parse().context("Cargo.lock")?;
    let packages = lock.get("package").and_then(|packages| packages.as_array()).into_iter().flatten();
    let field = |package: &toml::Value, name: &str| {
        package.get(name).and_then(|field| field.as_str()).unwrap_or_default().to_string()
    };
    let named = |package| format!("{}@{}", field(package, "name"), field(package, "version"));
    Ok(packages.map(|package| (named(package), field(package, "checksum"))).collect())
}

/// A list of an object; nothing if it has none.
pub fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

/// A text of an object; empty if it has none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"cvx-cli\"\nversion = \"0.1.0\"\n\
                        [[package]]\nname = \"old\"\nversion = \"1.0.0+7\"\nchecksum = \"ab\"\n\
                        [[package]]\nname = \"test-only\"\nversion = \"2.0.0\"\nchecksum = \"cd\"\n";

    fn metadata() -> Value {
        let package = |id: &str, name: &str, version: &str, licence: &str| json!({ "id": id, "name": name, "version": version, "license": licence, "publish": null });
        json!({
            "packages": [
                package("path+file:///x/cvx-cli", "cvx-cli", "0.1.0", "MIT OR Apache-2.0"),
                package("r#test-only", "test-only", "2.0.0", "Zlib"),
                package("r#old", "old", "1.0.0+7", "Unlicense/MIT"),
            ],
            "resolve": { "nodes": [
                {
                    "id": "path+file:///x/cvx-cli",
                    "dependencies": ["r#old", "r#test-only"],
                    "deps": [
                        { "pkg": "r#old", "dep_kinds": [{ "kind": null }, { "kind": "dev" }] },
                        { "pkg": "r#test-only", "dep_kinds": [{ "kind": "dev" }] },
                    ],
                },
                { "id": "r#old", "dependencies": [], "deps": [] },
                { "id": "r#test-only", "dependencies": [], "deps": [] },
            ] },
        })
    }

    #[test]
    fn a_component_has_licence_checksum_and_address_and_no_path() {
        let bill = bill(&metadata(), LOCK, "0.1.0").unwrap();
        let expected = json!({
            "type": "library",
            "bom-ref": "old@1.0.0+7",
            "name": "old",
            "version": "1.0.0+7",
            "scope": "required",
            "licenses": [{ "expression": "Unlicense OR MIT" }],
            "purl": "pkg:cargo/old@1.0.0%2B7",
            "hashes": [{ "alg": "SHA-256", "content": "ab" }],
        });
        assert_eq!(bill["components"][1], expected);
        assert_eq!(bill["components"][2]["scope"], "excluded");
        assert_eq!(bill["components"][0]["hashes"], Value::Null);
        let edges = json!({ "ref": "cvx-cli@0.1.0", "dependsOn": ["old@1.0.0+7", "test-only@2.0.0"] });
        assert_eq!(bill["dependencies"][0], edges);
        assert!(!bill.to_string().contains("file:"));
    }

    #[test]
    fn what_the_lock_has_and_the_metadata_lack_is_an_error() {
        let lock = format!("{LOCK}[[package]]\nname = \"more\"\nversion = \"3.0.0\"\n");
        let error = bill(&metadata(), &lock, "0.1.0").unwrap_err();
        assert!(error.to_string().contains("more@3.0.0"), "{error}");
    }

    #[test]
    fn a_crate_without_a_licence_is_an_error() {
        let mut metadata = metadata();
        metadata["packages"][1]["license"] = Value::Null;
        let error = bill(&metadata, LOCK, "0.1.0").unwrap_err();
        assert_eq!(error.to_string(), "test-only@2.0.0 has no licence in its manifest");
    }
}
