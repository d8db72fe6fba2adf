use super::*;
use proptest::prelude::*;
use serde_json::json;

const PATH: &str = "artifacts/evidence/prompt_session.json";

fn document(developer: &str) -> Map<String, Value> {
    let document = json!({
        "prompt_os_version": "v0.1.0", "prompts_used": ["P00", "P05"], "developer": developer, "target_repo": "engine",
        "ledger": { "entry": format!("entry:{}", "ab".repeat(32)) },
    });
    document.as_object().unwrap().clone()
}

fn said(body: &str, document: &Map<String, Value>) -> Vec<String> {
    let mut said = Vec::new();
    let found = find(body);
    assert_eq!(found.len(), 1, "{body}");
    compare(&found[0], document, &[PATH.to_owned()], &mut |what| said.push(what));
    said
}

fn good() -> String {
    block(&document("ada"), PATH)
}

#[test]
fn the_block_is_what_it_always_was() {
    let lines = [
        "> **Governed Session**",
        "> - PromptOS Version: `v0.1.0`",
        "> - Prompts Used: `P00, P05`",
        "> - Session Artifact: `artifacts/evidence/prompt_session.json`",
        "> - Developer: `ada`",
        "> - Target Repo: `engine`",
    ];
    assert!(good().starts_with(&lines.join("\n")), "{}", good());
    assert!(good().ends_with(&format!("\n> - Ledger Entry: `entry:{}`", "ab".repeat(32))));
}

#[test]
fn a_description_as_people_and_github_write_it() {
    let good = good();
    let loose = good.replace("\n> -", "\n>\n> -");
    for body in [
        good.clone(),
        format!("# A change\n\nWhy.\n\n{good}\n\nMore, and `code`.\n"),
        good.replace('\n', "\r\n"),
        good.replace("> ", ">"),
        good.replace("> ", "   > "),
        good.replace("> - ", "> * "),
        good.replace("> - ", "> 1. "),
        good.replace("> ", "> > "),
        good.replace("**", "__"),
        format!("{good}\n>\n> And a remark of the author's own."),
        format!("- In a list:\n\n{}", good.lines().map(|line| format!("  {line}\n")).collect::<String>()),
        format!("<details>\n\n{good}\n\n</details>"),
        loose,
    ] {
        assert_eq!(said(&body, &document("ada")), Vec::<String>::new(), "{body}");
    }
    let two = format!("{good}\n\nand\n\n{good}");
    let lines: Vec<usize> = find(&two).iter().map(|block| block.line).collect();
    assert_eq!(lines, [1, 11]);
}

#[test]
fn what_a_reader_does_not_see_is_no_block() {
    let good = good();
    let indented: String = good.lines().map(|line| format!("    {line}\n")).collect();
    for body in [
        String::new(),
        "# Nothing".to_owned(),
        format!("```\n{good}\n```"),
        format!("~~~markdown\n{good}"),
        format!("text\n\n{indented}"),
        format!("<!--\n{good}\n-->"),
        format!("<!--\n\n{good}\n\n"),
        format!("<pre>\n{good}\n</pre>"),
        format!("<script>\n\n{good}\n\n</script>"),
        format!("[^1]: note\n\n    {}", good.replace('\n', "\n    ")),
        good.replace("> ", ""),
        good.replace("**Governed Session**", "Governed Session"),
        good.replace("**Governed Session**", "**Governed Session** (withdrawn)"),
        good.replace("**Governed Session**", "~~**Governed Session**~~"),
        good.replace("Governed Session", "Governed Sessi\u{3bf}n"),
        good.replace("Governed Session", "Governed\u{a0}Session"),
        good.replace("Governed Session", "governed session"),
        good.replace("> **", "> Not one:\n>\n> **"),
        good.replace("> **", "\\> **"),
    ] {
        assert_eq!(find(&body), Vec::new(), "{body}");
    }
}

#[test]
fn every_field_counts() {
    let good = good();
    let cases = [
        (
            good.replace("P00, P05", "P00, P05, P07"),
            "'Prompts Used' says 'P00, P05, P07', and the evidence 'P00, P05'",
        ),
        (good.replace("`ada`", "`mallory`"), "'Developer' says 'mallory'"),
        (good.replace("`ada`", "`\u{430}da`"), "says '\u{430}da' (\\u{430}da), and the evidence 'ada'"),
        (good.replace("`ada`", "`ada\u{200b}`"), "says 'ada\\u{200b}'"),
        (good.replace("`ada`", "`Ada`"), "'Developer' says 'Ada'"),
        (good.replace("engine", "other"), "'Target Repo'"),
        (good.replace("v0.1.0", "v9.9.9"), "'PromptOS Version'"),
        (good.replace("> - Developer: `ada`\n", ""), "'Developer' is missing"),
        (
            good.replace("> - Developer: `ada`\n", "> - Developer: `ada`\n> - Developer: `bob`\n"),
            "is there 2 times",
        ),
        (good.replace("> - Developer", "> - Reviewer: `bob`\n> - Developer"), "'Reviewer' is none"),
        (good.replace("Developer", "Devel\u{43e}per"), "'Developer' is missing"),
        (good.replace("`ada`", "ada"), "the line 'Developer: ada' is not"),
        (good.replace("`ada`", "`ada` and `bob`"), "is not a name and a value alone"),
        (good.replace("`ada`", "<!-- --> `ada`"), "is not a name and a value alone"),
        (good.replace("`ada`", "~~`ada`~~"), "is not a name and a value alone"),
        (good.replace("`ada`", "[`ada`](https://example.org)"), "is not a name and a value alone"),
        (good.replace("`P00, P05`", "`P00, P05`\n>   - and `P07`"), "is not a name and a value alone"),
        (format!("{good}\nand more"), "is not a name and a value alone"),
        (
            good.replace("artifacts/evidence", "elsewhere"),
            "'Session Artifact' says 'elsewhere/prompt_session.json'",
        ),
        (good.replace("artifacts/evidence", "/etc"), "'Session Artifact'"),
        (good.replace("artifacts/evidence", "artifacts/../artifacts/evidence"), "'Session Artifact'"),
    ];
    for (body, expected) in cases {
        let said = said(&body, &document("ada"));
        assert!(said.iter().any(|what| what.contains(expected)), "{expected}: {said:?}\n{body}");
    }
}

#[test]
fn files_that_are_elsewhere_may_be_anywhere_in_the_project() {
    let check = |artifact: &str| {
        let mut said = 0;
        compare(&find(&block(&document("ada"), artifact))[0], &document("ada"), &[], &mut |_| said += 1);
        said
    };
    assert_eq!((check("a/b/prompt_session.json"), check("prompt_session.json")), (0, 0));
    assert!(check("/home/ada/prompt_session.json") > 0 && check("../prompt_session.json") > 0);
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("{}{}", "> ".repeat(20_000), good().replace('\n', " "));
    let _ = find(&deep);
    let _ = find(&"> **Governed Session**\n> - a: `b`\n\n".repeat(5_000));
    let _ = find(&"- ".repeat(20_000));
}

proptest! {
    /// Whatever is in a session, the block that `dev` prints for it agrees with it, and with no other.
    #[test]
    fn what_is_printed_is_what_is_read(developer in "\\PC{0,30}", other in "\\PC{1,30}", path in "[a-z`* _<>&-]{1,12}") {
        let path = format!("x{path}x/prompt_session.json");
        let body = format!("Text.\n\n{}\n\nText.", block(&document(&developer), &path));
        let found = find(&body);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].fields.len(), 6);
        prop_assert!(found[0].odd.is_empty());
        let mut said = Vec::new();
        compare(&found[0], &document(&developer), &[path], &mut |what| said.push(what));
        prop_assert_eq!(said, Vec::<String>::new());
        if field("Developer", &developer, 200).trim() != field("Developer", &other, 200).trim()
            && find(&block(&document(&other), "x"))[0].fields[3] != found[0].fields[3] {
            let mut said = 0;
            compare(&found[0], &document(&other), &[], &mut |_| said += 1);
            prop_assert!(said > 0);
        }
    }

    #[test]
    fn nothing_panics(body in "[>*`\\-: \n<!\\[\\]()~#a-zA]{0,200}") {
        let _ = find(&body);
        let _ = find(&format!("{}\n{body}", good()));
    }
}
