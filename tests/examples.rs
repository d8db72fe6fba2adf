//! The examples do what they say.

#![allow(clippy::unwrap_used)] // a test may

#[allow(dead_code)] // its command line
#[path = "../examples/bench/main.rs"]
mod bench;
#[path = "../examples/service.rs"]
mod service;

#[test]
fn a_service_embeds_the_library() {
    service::main().unwrap();
}

/// How fast an unoptimised build is says nothing; but every job must find its figures, and the page be made of them.
#[test]
fn every_benchmark_finds_its_figures() {
    let args = ["all", "--entries", "200", "--rounds", "1", "--json"].map(str::to_owned);
    let (found, _) = bench::run(&args, env!("CARGO_BIN_EXE_promptos").into()).unwrap();
    let page = bench::page(std::slice::from_ref(&found));
    for (job, about) in bench::listed() {
        let claims = found[job]["claims"].as_array().unwrap();
        assert!(!claims.is_empty(), "{job}");
        for claim in claims {
            assert!(claim["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{job}: {claim}");
            assert!(page.contains(claim["ours"]["what"].as_str().unwrap()), "{job}: {claim}");
        }
        assert!(page.contains(&format!("\n## {about}\n")), "{page}");
    }
    assert!(found["verify"]["ratio_to_strict"].as_f64().is_some_and(|ratio| ratio > 0.0));
}

#[test]
fn a_benchmark_that_is_not_there_is_named() {
    let refused = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        bench::run(&args, env!("CARGO_BIN_EXE_promptos").into()).unwrap_err()
    };
    assert!(refused(&["verfy"]).contains("no job 'verfy'"));
    assert!(refused(&[]).contains("since-pin"));
    assert!(refused(&["verify", "--entries", "many"]).contains("'many' is no number"));
    assert!(refused(&["verify", "--entries"]).contains("--entries needs a value"));
}
