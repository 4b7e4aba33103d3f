//! The scenarios by name: listing them, and finding the ones that a user meant.

use crate::identity;
use crate::text::{Console, nearest};
use crate::trouble::Trouble;
use seedfast_sim::Scenario;
use serde_json::json;
use std::fmt::Write as _;

/// Refuses two scenarios of one name: a line that replays a seed could mean either.
///
/// # Errors
/// Naming the first such pair.
pub(crate) fn distinct(scenarios: &[&'static dyn Scenario]) -> Result<(), Trouble> {
    for (index, scenario) in scenarios.iter().enumerate() {
        let name = scenario.name();
        if scenarios[..index].iter().any(|earlier| earlier.name() == name) {
            return Err(Trouble::new(format!(
                "two scenarios of this program are called `{name}`; give each of them a name of its own"
            )));
        }
    }
    Ok(())
}

/// Finds a scenario.
///
/// # Errors
/// If there is none of that name; the nearest one is suggested.
pub(crate) fn find(
    scenarios: &[&'static dyn Scenario],
    name: &str,
) -> Result<&'static dyn Scenario, Trouble> {
    scenarios.iter().copied().find(|scenario| scenario.name() == name).ok_or_else(|| {
        let suggestion = nearest(name, scenarios.iter().map(|scenario| scenario.name()))
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let list = identity::invocation();
        Trouble::new(format!(
            "there is no scenario `{name}`; {suggestion}`{list} scenarios` lists those that there are"
        ))
    })
}

/// The `scenarios` command.
pub(crate) fn list(
    scenarios: &[&'static dyn Scenario],
    json: bool,
    console: &mut Console<'_>,
) -> Result<u8, Trouble> {
    let paint = console.paint();
    let text = if json {
        let list: Vec<_> = scenarios
            .iter()
            .map(|s| json!({ "name": s.name(), "about": s.about(), "planted": s.planted() }))
            .collect();
        format!("{}\n", json!({ "scenarios": list }))
    } else {
        let width = scenarios.iter().map(|scenario| scenario.name().len()).max().unwrap_or(0);
        let mut text = String::new();
        for scenario in scenarios {
            let name = format!("{:width$}", scenario.name());
            let _ = writeln!(text, "  {}  {}", paint.bold(&name), scenario.about());
            if let Some(bug) = scenario.planted() {
                let _ = writeln!(text, "  {:width$}  {}", "", paint.dim(&format!("planted bug: {bug}")));
            }
        }
        text
    };
    printed(console, &text)?;
    Ok(0)
}

/// Prints results, or says why they cannot be printed.
///
/// # Errors
/// If the output is a file on a full disk, or the like.
pub(crate) fn printed(console: &mut Console<'_>, text: &str) -> Result<(), Trouble> {
    console.print(text).map_err(|error| {
        Trouble::new(format!("the results cannot be printed: {}", crate::files::plain(&error)))
    })
}
