//! Rendering beside Jinja2 in the same run, in turns: `just bench`.
//!
//! In the library, each rendering has everything in it, from the values' layers to the engine's set-up; Jinja2 makes an
//! environment and compiles, and is shown with all of that done before as well. As a process, `prompt render` stands
//! beside `python -c` doing the same with one file. The prompts are some of our own, and those of TNH when
//! `PROMPTOS_CORPORA` is set. `PROMPTOS_PYTHON` is a Python that has Jinja2; without one there is no comparison.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)] // a bench may

use promptos::catalog::{Layer, Parsed, Prompt, parse, template_variables};
use promptos::render::{Given, Limits, Origin, Policy, render, run};
use serde_json::{Map, Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds of each kind; the median counts.
const ROUNDS: usize = 21;
/// What is promised on TNH's prompts.
const AT_LEAST: f64 = 10.0;

const OWN: [&str; 3] = [
    "Translate into {{ language }}:\n{{ text }}\n",
    "You are {{ role }}.\n{% for rule in rules.split(' ') %}\n{{ loop.index }}. {{ rule|capitalize }}\n{% endfor %}\n\
     {% if strict == 'yes' %}\nRefuse what is not asked.\n{% else %}\nUse your judgement on {{ text|truncate(40) }}\n{% endif %}\n",
    "{% macro field(name, value) %}\n<{{ name }}>{{ value|e }}</{{ name }}>\n{% endmacro %}\n\
     {{ field('a', text) }}{{ field('b', role) }}\n{% set words = text|wordcount %}{{ words }} words\n",
];

/// A prompt and a value for each of its variables.
struct Case {
    file: PathBuf,
    prompt: Prompt,
    values: Map<String, Value>,
}

fn case(file: PathBuf) -> Option<Case> {
    let Parsed::Prompt(prompt) = parse(Layer::Workspace, &file, &std::fs::read(&file).unwrap()) else {
        return None;
    };
    let mut names = template_variables(&prompt.template).ok()?;
    names.extend(prompt.inputs.iter().map(|input| input.name.clone()));
    let values = names.into_iter().map(|name| (name.clone(), json!(format!("some <{name}> here")))).collect();
    Some(Case { file, prompt: *prompt, values })
}

fn own(folder: &Path) -> Vec<Case> {
    let write = |(at, template): (usize, &&str)| {
        let file = folder.join(format!("own-{at}.md"));
        let head = format!("key: own-{at}\nname: Own\nversion: \"1.0\"\ndescription: d\nrole: r\n");
        std::fs::write(&file, format!("---\n{head}output_contract: {{mode: text}}\n---\n{template}"))
            .unwrap();
        case(file).unwrap()
    };
    OWN.iter().enumerate().map(write).collect()
}

fn tnh(corpora: &Path) -> Vec<Case> {
    let folders = ["tnh/prompts", "tnh/runtime-prompts"].map(|folder| corpora.join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files.into_iter().filter_map(case).collect()
}

fn ours(case: &Case) -> String {
    let given = [Given { origin: Origin::Vars, values: case.values.clone() }];
    let outcome = render(&case.prompt, &given, &Policy::default(), Limits::default(), run).unwrap();
    let Some(rendered) = outcome.rendered else { panic!("{:?}: {:?}", case.file, outcome.findings) };
    rendered.system
}

/// Jinja2 in a process that stays.
struct Peer {
    child: Child,
    answers: BufReader<ChildStdout>,
    version: String,
}

impl Peer {
    fn start(python: &str, jobs: &Path) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/jinja2_render.py");
        let mut command = Command::new(python);
        command.arg(script).arg(jobs).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let version = serde_json::from_str(&line).ok()?;
        Some(Self { child, answers, version })
    }

    fn ask(&mut self, question: &str) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn show(what: &str, each: f64, ours: f64) {
    println!("  {what:<44} {:>12}  {:>6.1}x", format!("{:.1?}", Duration::from_secs_f64(each)), each / ours);
}

fn library(name: &str, cases: &[Case], python: Option<&str>, folder: &Path) -> Option<f64> {
    println!("{name}: {} prompts, a rendering each, in the library", cases.len());
    let jobs: Vec<Value> =
        cases.iter().map(|case| json!({"template": case.prompt.template, "values": case.values})).collect();
    let file = folder.join("jobs.json");
    std::fs::write(&file, serde_json::to_vec(&jobs).unwrap()).unwrap();
    let mut peer = python.and_then(|python| Peer::start(python, &file));
    if let Some(peer) = &mut peer {
        let theirs: Vec<String> = serde_json::from_value(peer.ask("texts 1")).unwrap();
        for (case, theirs) in cases.iter().zip(theirs) {
            assert_eq!(ours(case), theirs, "{:?}", case.file);
        }
    }
    let (mut own, mut cold, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(
            timed(|| {
                for _ in 0..20 {
                    cases.iter().for_each(|case| drop(std::hint::black_box(ours(case))));
                }
            }) / 20.0,
        );
        if let Some(peer) = &mut peer {
            cold.push(peer.ask("cold 2").as_f64().unwrap() / 2.0);
            warm.push(peer.ask("warm 20").as_f64().unwrap() / 20.0);
        }
    }
    let each = |seconds: Vec<f64>| median(seconds) / cases.len() as f64;
    let own = each(own);
    show("promptos", own, own);
    let peer = peer?;
    let cold = each(cold);
    show(&format!("Jinja2 {}, set-up included", peer.version), cold, own);
    show(&format!("Jinja2 {}, compiled before", peer.version), each(warm), own);
    drop(peer.child.stdin); // it ends with its input
    Some(cold / own)
}

/// What `prompt render` does with a file, without any check, in as little Python as it takes.
const SAME: &str = "import json, sys, jinja2
text = open(sys.argv[1], encoding='utf-8').read()
template = text.split('---\\n', 2)[2].lstrip('\\n')
environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
print(environment.from_string(template).render(json.load(open(sys.argv[2], encoding='utf-8'))))";

fn process(name: &str, case: &Case, python: Option<&str>, folder: &Path) -> Option<f64> {
    println!("{name}: one prompt, as a process");
    let project = folder.join("project");
    std::fs::create_dir_all(project.join("prompts")).unwrap();
    std::fs::copy(&case.file, project.join("prompts/p.md")).unwrap();
    let values = folder.join("values.json");
    std::fs::write(&values, serde_json::to_vec(&case.values).unwrap()).unwrap();
    let reference = format!("{}.v{}", case.prompt.id, case.prompt.version);
    let start = |mut command: Command| {
        let output = command.current_dir(&project).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let own = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_promptos"));
        command.args(["prompt", "render", &reference, "--vars"]).arg(&values).env("PROMPTOS_HOME", folder);
        start(command)
    };
    let theirs = python.map(|python| {
        let (file, values) = (case.file.clone(), values.clone());
        move || {
            let mut command = Command::new(python);
            command.args(["-c", SAME]).arg(&file).arg(&values);
            start(command)
        }
    });
    if let Some(theirs) = &theirs {
        let texts = (own(), theirs());
        assert_eq!(
            String::from_utf8_lossy(&texts.0).trim_end(),
            String::from_utf8_lossy(&texts.1).trim_end()
        );
    }
    let (mut mine, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        mine.push(timed(|| drop(own())));
        if let Some(theirs) = &theirs {
            other.push(timed(|| drop(theirs())));
        }
    }
    let mine = median(mine);
    show("promptos prompt render", mine, mine);
    theirs.as_ref()?;
    let other = median(other);
    show("python -c, with Jinja2", other, mine);
    Some(other / mine)
}

fn main() {
    // Cargo passes --bench; `cargo test --benches` does not, and is not to measure.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let python = std::env::var("PROMPTOS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import jinja2"]).stderr(Stdio::null()).status();
    let python = has.is_ok_and(|status| status.success()).then_some(python.as_str());
    if python.is_none() {
        println!(
            "skipped: Jinja2, which the Python of PROMPTOS_PYTHON does not have (just bench installs it)"
        );
    }
    let own = own(folder.path());
    library("own", &own, python, folder.path());
    process("own", &own[1], python, folder.path());
    let Some(corpora) = std::env::var_os("PROMPTOS_CORPORA") else {
        return println!("skipped: TNH's prompts, since PROMPTOS_CORPORA is not set");
    };
    let cases = tnh(Path::new(&corpora));
    let ratios =
        [library("TNH", &cases, python, folder.path()), process("TNH", &cases[0], python, folder.path())];
    for ratio in ratios.into_iter().flatten() {
        assert!(ratio >= AT_LEAST, "{ratio:.1}x is less than {AT_LEAST}x");
    }
}
