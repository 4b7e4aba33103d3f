//! Prints one seed's plan, protocol trace and outcome: `... --example look -- everything 809`.

use seedfast_sim::{NoTrace, World};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "everything".into());
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let Some(scenario) = seedfast_scenarios::all().into_iter().find(|scenario| scenario.name() == name)
    else {
        eprintln!("there is no scenario `{name}`");
        return;
    };
    let plan = scenario.plan(seed);
    let mut scene = scenario.scene(&plan, seed).expect("a drawn plan makes sense");
    scene.collect_events();
    let outcome = World::new().run(seed, &plan.schedule, &mut *scene, &mut NoTrace);
    println!("{plan:#?}");
    print!("{}", scene.events());
    print!("{}", scene.history());
    println!("{outcome:#?}");
}
