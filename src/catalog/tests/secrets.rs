//! What counts as a credential, and that a stream gives the same answer as a whole.

use crate::catalog::secrets::*;
use proptest::prelude::*;

/// Made here, so that no scanner of this repository trips over it.
fn token(prefix: &str, length: usize) -> String {
    let alphabet = b"aZ3bY7cX1dW9eV5fU2gT8hS4iR6jQ0kPlOmNn";
    let body: String = (0..length).map(|at| char::from(alphabet[at * 7 % alphabet.len()])).collect();
    format!("{prefix}{body}")
}

fn upper(prefix: &str, length: usize) -> String {
    token(prefix, length).to_uppercase()
}

fn jwt() -> String {
    format!("{}.{}.{}", token("eyJhbGciOi", 20), token("eyJzdWIiOi", 30), token("", 43))
}

/// Text, what is found in it (kind, column), and the first four characters.
fn real() -> Vec<(String, &'static str, usize, &'static str)> {
    let assigned = "a password or token in an assignment";
    let key = |label: &str| format!("-----BEGIN {label}-----");
    vec![
        (token("sk-", 48), "an API key", 1, "sk-a"),
        (token("é sk-proj-", 60), "an API key", 3, "sk-p"),
        (token("use sk-ant-api03-", 90), "an API key", 5, "sk-a"),
        (token("ghp_", 36), "a GitHub token", 1, "ghp_"),
        (token("(gho_", 40), "a GitHub token", 2, "gho_"),
        (token("ghr_", 76), "a GitHub token", 1, "ghr_"),
        (token("https://x:ghs_", 36) + "@github.com", "a GitHub token", 11, "ghs_"),
        (token("github_pat_", 22) + "_" + &token("", 59), "a GitHub token", 1, "gith"),
        (token("glpat-", 20), "a GitLab token", 1, "glpa"),
        (upper("AKIA", 16), "an AWS access key id", 1, "AKIA"),
        (upper("\"ASIA", 16) + "\"", "an AWS access key id", 2, "ASIA"),
        (token("AIza", 35), "a Google API key", 1, "AIza"),
        (token("xoxb-2345678901-", 24), "a Slack token", 1, "xoxb"),
        (token("sk_live_", 24), "a payment API key", 1, "sk_l"),
        (jwt(), "a JSON Web Token", 1, "eyJh"),
        (format!("Authorization: Bearer {}", jwt()), "a JSON Web Token", 23, "eyJh"),
        (key("PRIVATE KEY"), "a private key", 1, "----"),
        (key("OPENSSH PRIVATE KEY"), "a private key", 1, "----"),
        (format!("  {}", key("RSA PRIVATE KEY")), "a private key", 3, "----"),
        (key("PGP PRIVATE KEY BLOCK"), "a private key", 1, "----"),
        (token("password=", 12), assigned, 10, "aX5h"),
        (token("PASSWORD = \"", 16) + "\"", assigned, 13, "aX5h"),
        (token("{\"api_key\": \"", 20) + "\"}", assigned, 14, "aX5h"),
        (token("DB_PASSWORD: ", 14), assigned, 14, "aX5h"),
        (token("accessToken := '", 20) + "'", assigned, 17, "aX5h"),
        (token("secret => ", 20), assigned, 11, "aX5h"),
        (token("?token=", 20) + "&x=1", assigned, 8, "aX5h"),
        ("token=3fa85f64-5717-4562-b3fc-2c963f66afa6".into(), assigned, 7, "3fa8"),
        ("pwd: 'S3cure-Pass-2024!'".into(), assigned, 7, "S3cu"),
        (format!("token = {}", token("ghp_", 36)), "a GitHub token", 9, "ghp_"),
        (format!("aws_access_key={}", upper("AKIA", 16)), "an AWS access key id", 16, "AKIA"),
    ]
}

const HARMLESS: &[&str] = &[
    "risk-free sk-learn task-sk- disk-image-2024-01-02-final",
    "max_token=5",
    "max_tokens = 4096",
    "token=<your token>",
    "token=",
    "token: planner_evidence.v1",
    "token: sha256_digest_of_the_blob",
    "token = parse_token_v2(input1)",
    "token = tokens[0]",
    "if token == \"aS5nX9kQ2mZ7\" {",
    "Token::from(a1b2c3d4e5f6)",
    "the token: a word that stands for 12345678901234",
    "password=changeme",
    "password=changeme12345678",
    "password: ${DB_PASSWORD_2024}",
    "password: {{ secrets.password1 }}",
    "password: \"$(pass show db/prod-2024)\"",
    "api_key=YOUR_API_KEY_HERE_123",
    "api_key = \"xxxxxxxxxxxxxxxx1\"",
    "api_key=1234567890123",
    "password = os.environ[\"DB_PASSWORD_1\"]",
    "password = config.database.password2",
    "secret: correct-horse-battery-staple",
    "secret_name=aS5nX9kQ2mZ7aS5n",
    "tokens=aS5nX9kQ2mZ7aS5n",
    "sk-aaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
    "sk-learn-based-pipelines-for-2024-models",
    "sk-your-key-goes-here-0123",
    "sk-short1",
    "ghp_short",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "AKIA1234",
    "MAKIAS5NX9KQ2MZ7BC3D",
    "AIzaTooShort",
    "eyJhbGciOi alone, and eyJhbGciOi.eyJzdWIiOi",
    "-----BEGIN PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----",
    "----- PRIVATE KEY -----",
    "entry:7d9f3a52c1e84b60a5f2d813c4e7906b1f8a2d5c3e4b69708192a3b4c5d6e7f8",
    "version: 1.0.1",
    "https://example.org/?page=token",
    "password: https://wiki.example.org/how-to-2024-set-passwords",
];

#[test]
fn real_shapes_are_found_where_they_stand_and_are_not_repeated() {
    for (text, kind, column, shown) in real() {
        let hits = scan(&text);
        let [hit] = &hits[..] else { panic!("{text}: {hits:?}") };
        assert_eq!((hit.kind, hit.line, hit.column), (kind, 1, column), "{text}");
        assert_eq!(hit.shown, format!("{shown}…"), "{text}");
        // In the middle of a file, behind a byte order mark, with Windows line ends.
        let hits = scan(&format!("\u{feff}one\r\ntwo é\r\n{text}\r\nthree"));
        assert_eq!((hits.len(), hits[0].line, hits[0].column), (1, 3, column), "{text}");
        let hits = scan(&format!("\u{feff}{text}"));
        assert_eq!((hits.len(), hits[0].column), (1, column), "{text}");
    }
}

#[test]
fn what_only_looks_suspicious_is_left_alone() {
    for text in HARMLESS {
        assert_eq!(scan(text), [], "{text}");
    }
    assert_eq!(scan(&HARMLESS.join("\n")), []);
}

#[test]
fn each_of_several_is_found_once_and_their_number_is_bounded() {
    let one = token("ghp_", 36);
    let hits = scan(&format!("{one} {one}\n {one}"));
    let places: Vec<_> = hits.iter().map(|hit| (hit.line, hit.column)).collect();
    assert_eq!(places, [(1, 1), (1, 42), (2, 2)]);
    assert_eq!(scan(&format!("{one}\n").repeat(MAX_HITS + 5)).len(), MAX_HITS);
}

#[test]
fn bytes_that_are_no_text_are_passed_over() {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    bytes.extend_from_slice(token("\nghp_", 36).as_bytes());
    bytes.extend([0xFF, 0, 0xC3]);
    let mut scanner = Scanner::new();
    scanner.feed(&bytes);
    let hits = scanner.finish();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].column, 1);
    assert_eq!(Scanner::new().finish(), []);
}

/// What begins like a credential over and over again is looked at in a bounded stretch each time: a scan that
/// looked to the end from every start would not come back from these.
#[test]
fn hostile_repetition_comes_to_an_end() {
    let scan = |unit: &str| {
        let piece = unit.repeat(64 * 1024 / unit.len() + 1);
        let mut scanner = Scanner::new();
        (0..8).for_each(|_| scanner.feed(piece.as_bytes()));
        scanner.finish().len()
    };
    for unit in [
        "a",
        "sk-",
        "eyJ",
        "eyJa.",
        "eyJ-eyJ_",
        "token=",
        "token='",
        "ghp_",
        "github_pat_",
        "AIza",
        "-----BEGIN ",
        "=",
        ": ",
    ] {
        assert!(scan(unit) <= MAX_HITS, "{unit}");
    }
}

/// Memory does not grow with the stream: 16 MB pass in pieces, with one token at the end.
#[test]
fn a_long_stream_is_scanned_in_flat_memory() {
    let piece = "plain text, nothing to see here; a = b\n".repeat(1681);
    let mut scanner = Scanner::new();
    let lines = 16 * 1024 * 1024 / piece.len();
    for _ in 0..lines {
        scanner.feed(piece.as_bytes());
        assert!(scanner.held() <= 256 * 1024);
    }
    scanner.feed(token("ghp_", 36).as_bytes());
    let hits = scanner.finish();
    assert_eq!((hits.len(), hits[0].line, hits[0].column), (1, lines * 1681 + 1, 1));
}

proptest! {
    /// However a text is cut, the hits are those of the whole.
    #[test]
    fn cutting_changes_nothing(
        parts in proptest::collection::vec(
            prop_oneof![
                (0..31usize).prop_map(|at| real()[at].0.clone()),
                (0..HARMLESS.len()).prop_map(|at| HARMLESS[at].to_owned()),
                (0..80_000usize).prop_map(|length| "x ".repeat(length / 2)),
                Just("\n".to_owned()), Just("\u{feff}é".to_owned()),
                "\\PC{0,8}",
            ],
            1..10,
        ),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        separator in prop_oneof![Just(" "), Just("\n"), Just("")],
    ) {
        let text = parts.join(separator);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut scanner = Scanner::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            scanner.feed(&text.as_bytes()[start..cut]);
            start = cut;
        }
        prop_assert_eq!(scanner.finish(), scan(&text));
    }

    /// A token is found wherever it lies in relation to the window.
    #[test]
    fn tokens_are_found_at_every_offset(before in 0usize..200_000, after in 0usize..100_000, at in 0..31usize) {
        let (secret, kind, column, _) = &real()[at];
        let text = format!("{}\n{secret} {}", "y ".repeat(before / 2), "z ".repeat(after / 2));
        let hits = scan(&text);
        prop_assert_eq!(hits.len(), 1);
        prop_assert_eq!((hits[0].kind, hits[0].line, hits[0].column), (*kind, 2, *column));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..400) {
        let mut scanner = Scanner::new();
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        scanner.feed(first);
        scanner.feed(second);
        for hit in scanner.finish() {
            prop_assert!(hit.shown.chars().count() <= 5);
        }
    }
}
