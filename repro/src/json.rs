//! What a campaign says to programs: one JSON object.

use crate::bundle;
use crate::campaign::{Findings, Stuck};
use crate::guide::Bred;
use crate::identity::Identity;
use crate::merge::Merged;
use crate::report::{Again, Saved, saved_of};
use crate::run::Setting;
use crate::seeds::Span;
use crate::shrink::{self, Small};
use crate::tally::{Frequency, Tally};
use crate::worker::Failure;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The object of a campaign, on one line.
pub(crate) fn findings(
    setting: &Setting,
    findings: &Findings,
    saved: &Saved,
    small: &[Small],
    bred: Option<Bred>,
    again: Again<'_>,
) -> String {
    let campaign = &setting.campaign;
    let span = campaign.span;
    let fields = json!({
        "exit_code": findings.exit_code(),
        "first_seed": span.first,
        "end_seed": end(span),
        "shard": span.shard.to_string(),
        "jobs": campaign.jobs,
        "shrunk": shrink::json(small),
        "guided": bred,
        "build": Identity::current(),
    });
    line(object(findings, saved, again), fields)
}

/// The object of merged parts, on one line.
pub(crate) fn merged(merged: &Merged, saved: &Saved, exit_code: u8) -> String {
    let fields = json!({
        "exit_code": exit_code,
        "work_seconds": merged.work.as_secs_f64(),
        "missing": merged.missing,
        "parts": merged.parts.iter().map(|part| {
            let (kept, span) = (&part.kept, part.kept.span());
            json!({
                "directory": part.directory,
                "shard": span.shard.to_string(),
                "first_seed": span.first,
                "end_seed": end(span),
                "seeds": kept.sums.seeds,
                "complete": kept.is_complete,
                "wall_seconds": kept.wall().as_secs_f64(),
            })
        }).collect::<Vec<_>>(),
        "build": merged.parts.first().map(|part| &part.kept.build),
    });
    line(object(&merged.findings, saved, Again::Seed), fields)
}

/// The last seed's successor, if there is a last seed.
fn end(span: Span) -> Option<u64> {
    (span.end != u64::MAX).then_some(span.end)
}

fn line(mut object: Map<String, Value>, fields: Value) -> String {
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    format!("{}\n", Value::Object(object))
}

/// What was found.
fn object(findings: &Findings, saved: &Saved, again: Again<'_>) -> Map<String, Value> {
    let mut object = tally(&findings.total, findings.wall);
    let stuck = u64::from(findings.stuck.is_some());
    object.insert("failures".to_owned(), json!(findings.total.failures + stuck));
    let fields = json!({
        "scenario": if let [(one, _)] = findings.scenarios.as_slice() { one } else { "mixed" },
        "wall_seconds": findings.wall.as_secs_f64(),
        "probes_not_reached": findings.unreached,
        "failed": findings.signatures.values().flat_map(|signature| &signature.examples)
            .map(|one| failure(one, saved, again)).collect::<Vec<_>>(),
        "signatures": findings.signatures.iter()
            .map(|((scenario, invariant), signature)| json!({
                "scenario": scenario, "invariant": invariant, "seeds": signature.seeds,
                "soonest": failure(&signature.quickest, saved, again),
            })).collect::<Vec<_>>(),
        "mismatches": findings.mismatches.iter().map(|one| json!({
            "scenario": one.scenario, "seed": one.seed, "between": one.between,
            "event": one.difference.as_ref().map(|difference| difference.event),
            "first": one.difference.as_ref().map(|difference| &difference.first),
            "second": one.difference.as_ref().map(|difference| &difference.second),
        })).collect::<Vec<_>>(),
        "stuck": findings.stuck.as_ref().map(|Stuck { scenario, seed, after, bundle }| {
            let path = saved_of(bundle.as_deref(), saved);
            json!({
                "scenario": scenario.name(), "seed": seed, "seconds": after.as_secs_f64(),
                "bundle": path,
                "replay": again.command(scenario.name(), *seed, path),
            })
        }),
        "scenarios": findings.scenarios.iter().map(|(name, sums)| {
            let mut object = tally(sums, findings.wall);
            object.insert("scenario".to_owned(), json!(name));
            Value::Object(object)
        }).collect::<Vec<_>>(),
    });
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    object
}

/// The sums of a scenario or of all.
fn tally(tally: &Tally, wall: Duration) -> Map<String, Value> {
    let times = |map: &BTreeMap<String, Frequency>| -> Map<String, Value> {
        map.iter().map(|(name, frequency)| (name.clone(), json!(frequency.times))).collect()
    };
    // The share of seeds in which an effect occurred at least once: the campaign's efficacy.
    let efficacy: Map<String, Value> = tally
        .effects
        .iter()
        .map(|(name, frequency)| (name.clone(), json!(frequency.seeds as f64 / tally.seeds.max(1) as f64)))
        .collect();
    let object = json!({
        "seeds": tally.seeds,
        "failures": tally.failures,
        "events": tally.events,
        "delivered": tally.delivered,
        "trace_bytes": tally.trace_bytes,
        "sim_seconds": tally.sim_nanos as f64 / 1e9,
        "seeds_per_second": tally.seeds as f64 / wall.as_secs_f64().max(1e-9),
        "rerun_checked": tally.rerun_checked,
        "rerun_mismatches": tally.rerun_mismatches,
        "trace_hash_sum": format!("{:032x}", tally.trace_hash),
        "faults": times(&tally.effects),
        "probes": times(&tally.probes),
        "efficacy": efficacy,
    });
    match object {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn failure(failure: &Failure, saved: &Saved, again: Again<'_>) -> Value {
    let Failure { scenario, seed, invariant, what, at, event, bundle, repeats, .. } = failure;
    let path = saved.get(&bundle.plan_hash);
    json!({
        "scenario": scenario,
        "seed": seed,
        "invariant": invariant,
        "what": what,
        "at": at,
        "event": event,
        "repeats": repeats,
        "trace_hash": bundle.verdict.as_ref().map(|verdict| &verdict.trace_hash),
        "bundle": path,
        "replay": again.command(scenario, *seed, path),
        "format": bundle::FORMAT,
    })
}
