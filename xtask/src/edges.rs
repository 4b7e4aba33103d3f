//! Which crate may depend on which, and what the core may stand on: proven from `cargo metadata` and `cargo tree`.

use crate::{Verdict, failed, shell};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every workspace crate and the workspace crates that it may depend on, as `ARCHITECTURE.md` lists them.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("seedfast-core", &[]),
    ("seedfast-sim", &["seedfast-core"]),
    ("seedfast-runtime-sim", &["seedfast-sim", "seedfast-core"]),
    ("seedfast-runtime-real", &["seedfast-core"]),
    ("seedfast-kv", &["seedfast-core"]),
    ("seedfast-scenarios", &["seedfast-runtime-sim", "seedfast-sim", "seedfast-core", "seedfast-kv"]),
    ("seedfast", &["seedfast-scenarios", "seedfast-sim", "seedfast-core", "seedfast-macros"]),
    ("seedfast-macros", &[]),
    // Development dependencies are what a user's own crate has of us beside the boundary.
    ("example-register", &["seedfast-core"]),
    ("seedfast-server", &["seedfast-kv", "seedfast-runtime-real", "seedfast-core"]),
    // It tortures real processes of the server with the simulator's clients' words and its judges.
    ("xtask", &["seedfast-scenarios", "seedfast-kv", "seedfast-core"]),
];

/// Everything that the core stands on: crates that are `no_std` and have no dependencies of their own.
const CORE_STANDS_ON: [&str; 1] = ["xxhash-rust"];

/// Prints each crate's edges; fails at the first that is not allowed.
pub(crate) fn run() -> Verdict {
    let metadata =
        shell::text(shell::cargo().args(["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
    let mut edges = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        // Development dependencies build tests only: a test of `core` may drive it in `sim`.
        let normal = dependencies.filter(|dependency| dependency["kind"] != "dev");
        let names: Vec<String> = normal.map(|dependency| text(&dependency["name"])).collect();
        edges.insert(text(&package["name"]), names);
    }
    check(&edges)?;
    core()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn check(edges: &BTreeMap<String, Vec<String>>) -> Verdict {
    for (name, dependencies) in edges {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| known == name) else {
            return failed(format!(
                "`{name}` is not in the table of allowed edges; add it there and in ARCHITECTURE.md"
            ));
        };
        let ours: Vec<&str> =
            dependencies.iter().map(String::as_str).filter(|found| edges.contains_key(*found)).collect();
        if let Some(wrong) = ours.iter().find(|found| !allowed.contains(found)) {
            return failed(format!("`{name}` must not depend on `{wrong}`; allowed: {}", allowed.join(", ")));
        }
        println!("{name:22} -> {}", if ours.is_empty() { "nothing".into() } else { ours.join(", ") });
    }
    match ALLOWED.iter().find(|(known, _)| !edges.contains_key(*known)) {
        Some((missing, _)) => failed(format!("the workspace has no crate `{missing}` any more")),
        None => Ok(()),
    }
}

fn core() -> Verdict {
    let tree =
        ["tree", "-p", "seedfast-core", "-e", "normal,build", "--prefix", "none", "--locked", "-f", "{p}"];
    let tree = shell::text(shell::cargo().args(tree))?;
    let names =
        tree.lines().skip(1).filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty());
    for name in names {
        if !CORE_STANDS_ON.contains(&name) {
            return failed(format!("seedfast-core stands on `{name}`, which nobody allowed it"));
        }
    }
    // `std` of a dependency is a feature; `no_std` of the core itself is an attribute in its source.
    let tree =
        ["tree", "-p", "seedfast-core", "-e", "normal,features", "--prefix", "none", "--locked", "-f", "{p}"];
    let features = shell::text(shell::cargo().args(tree))?;
    if let Some(line) = features.lines().find(|line| line.contains("feature \"std\"")) {
        return failed(format!("seedfast-core brings in the standard library: {line}"));
    }
    let source = shell::read(&shell::root().join("core/src/lib.rs"))?;
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        if !source.lines().any(|line| line == attribute) {
            return failed(format!("core/src/lib.rs no longer says {attribute}"));
        }
    }
    println!("{:22} is no_std, forbids unsafe, stands on {}", "seedfast-core", CORE_STANDS_ON.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> BTreeMap<String, Vec<String>> {
        ALLOWED
            .iter()
            .map(|(name, allowed)| ((*name).into(), allowed.iter().map(|a| (*a).into()).collect()))
            .collect()
    }

    #[test]
    fn an_edge_that_is_not_allowed_is_refused() {
        assert!(check(&workspace()).is_ok());
        let mut wrong = workspace();
        wrong.get_mut("seedfast-core").unwrap().push("seedfast-sim".into());
        assert!(check(&wrong).is_err());
        let mut unknown = workspace();
        unknown.insert("seedfast-new".into(), vec![]);
        assert!(check(&unknown).is_err());
    }
}
