//! What a template may call. A filter, test, function or method that does not stand here is not there, whatever the
//! engine has or gets in another version.

use super::bounds::{self, Bound};
use super::filters as own;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja::{filters, functions, tests};
use minijinja_contrib::{filters as more, globals, pycompat};
use std::sync::LazyLock;

/// The engine as prompts are written for it: undefined variables are errors, nothing is HTML-escaped, and a block
/// tag leaves no blank line behind. There is no loader, so no template can reach another, and a template calls only
/// what stands in [`FILTERS`], [`TESTS`], [`FUNCTIONS`] and [`METHODS`], each with a bound on what it writes.
///
/// An optional input that is not supplied is to be passed as empty: `{% if x %}` is an error for an undefined `x`.
///
/// # Errors
/// If the engine refuses these settings, which is a fault of this program.
pub fn environment<'source>() -> Result<Environment<'source>, Error> {
    // Made once: half of the time that a short prompt takes would go into it.
    static MADE: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(make);
    match &*MADE {
        Ok(environment) => Ok(environment.clone()),
        Err(error) => Err(Error::new(error.kind(), error.to_string())),
    }
}

fn make() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::empty();
    environment.set_debug(true); // else a release build leaves names and places out of its errors
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(own::print);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(method);
    add_filters(&mut environment);
    add_tests(&mut environment);
    add_functions(&mut environment);
    Ok(environment)
}

/// A filter or function that is called only when its bound allows.
fn bounded(
    kind: &'static str,
    name: &'static str,
    bound: Bound,
    callee: Value,
) -> impl Fn(&mut State, Rest<ValueOrKwargs>) -> Result<Value, Error> + Send + Sync + 'static {
    move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        bounds::charge(state, kind, name, bound, &args)?;
        callee.call(state, &args)
    }
}

macro_rules! filters {
    ($($name:literal $bound:ident $filter:expr;)*) => {
        /// The filters that a template may use.
        pub const FILTERS: &[&str] = &[$($name),*];

        fn add_filters(environment: &mut Environment<'_>) {
            $(environment.add_filter($name, bounded("filter", $name, bounds::$bound, $filter));)*
        }
    };
}

/// A filter of the engine.
macro_rules! f {
    ($filter:path) => {
        Value::from_function($filter)
    };
    ($filter:path, $($argument:literal)+) => {
        own::by_position(Value::from_function($filter), &[$($argument),+])
    };
}

filters! {
    "abs" free f!(filters::abs);
    "attr" free f!(filters::attr);
    "batch" dealt f!(filters::batch);
    "bool" free f!(filters::bool);
    "capitalize" rewritten f!(filters::capitalize);
    "center" widened f!(own::center);
    "chain" free f!(filters::chain);
    "count" free f!(filters::length);
    "d" free f!(filters::default);
    "default" free f!(filters::default);
    "dictsort" listed f!(filters::dictsort, "case_sensitive" "by" "reverse");
    "e" rewritten f!(own::escape);
    "escape" rewritten f!(own::escape);
    "filesizeformat" free f!(more::filesizeformat);
    "first" free f!(filters::first);
    "float" free f!(own::float);
    "format" printed f!(filters::format);
    "groupby" listed f!(filters::groupby);
    "indent" indented f!(own::indent);
    "int" free f!(own::int);
    "items" free f!(filters::items);
    "join" joined own::strict(f!(filters::join));
    "last" free f!(filters::last);
    "length" free f!(filters::length);
    "lines" cut f!(filters::lines);
    "list" listed f!(filters::list);
    "lower" rewritten f!(filters::lower);
    "map" listed f!(filters::map);
    "max" free f!(filters::max);
    "min" free f!(filters::min);
    "pprint" pretty f!(filters::pprint);
    "reject" listed f!(filters::reject);
    "rejectattr" listed f!(filters::rejectattr);
    "replace" replaced f!(filters::replace);
    "reverse" reversed f!(filters::reverse);
    "round" numbered f!(filters::round);
    "safe" copied f!(filters::safe);
    "select" listed f!(filters::select);
    "selectattr" listed f!(filters::selectattr);
    "slice" dealt f!(filters::slice);
    "sort" listed f!(filters::sort, "reverse" "case_sensitive" "attribute");
    "split" cut f!(filters::split);
    "string" copied f!(filters::string);
    "striptags" copied f!(more::striptags);
    "sum" added f!(filters::sum);
    "title" rewritten f!(filters::title);
    "tojson" pretty own::strict(f!(filters::tojson));
    "trim" copied f!(filters::trim);
    "truncate" copied f!(own::truncate);
    "unique" listed f!(filters::unique, "case_sensitive" "attribute");
    "upper" rewritten f!(filters::upper);
    "urlencode" rewritten f!(own::urlencode);
    "wordcount" free f!(own::wordcount);
    "zip" free f!(filters::zip);
}

macro_rules! tests {
    ($($name:literal $test:ident;)*) => {
        /// The tests that a template may use after `is`. They answer yes or no.
        pub const TESTS: &[&str] = &[$($name),*];

        fn add_tests(environment: &mut Environment<'_>) {
            $(environment.add_test($name, tests::$test);)*
        }
    };
}

tests! {
    "!=" is_ne;
    "<" is_lt;
    "<=" is_le;
    "==" is_eq;
    ">" is_gt;
    ">=" is_ge;
    "boolean" is_boolean;
    "defined" is_defined;
    "divisibleby" is_divisibleby;
    "endingwith" is_endingwith;
    "eq" is_eq;
    "equalto" is_eq;
    "escaped" is_safe;
    "even" is_even;
    "false" is_false;
    "filter" is_filter;
    "float" is_float;
    "ge" is_ge;
    "greaterthan" is_gt;
    "gt" is_gt;
    "in" is_in;
    "integer" is_integer;
    "iterable" is_iterable;
    "le" is_le;
    "lessthan" is_lt;
    "lower" is_lower;
    "lt" is_lt;
    "mapping" is_mapping;
    "ne" is_ne;
    "none" is_none;
    "number" is_number;
    "odd" is_odd;
    "safe" is_safe;
    "sameas" is_sameas;
    "sequence" is_sequence;
    "startingwith" is_startingwith;
    "string" is_string;
    "test" is_test;
    "true" is_true;
    "undefined" is_undefined;
    "upper" is_upper;
}

macro_rules! functions {
    ($($name:literal $bound:ident $function:expr;)*) => {
        /// The functions that a template may call, beside the macros it defines itself.
        pub const FUNCTIONS: &[&str] = &[$($name),*];

        fn add_functions(environment: &mut Environment<'_>) {
            $(environment.add_function(
                $name,
                bounded("function", $name, bounds::$bound, Value::from_function($function)),
            );)*
        }
    };
}

// The engine's `debug` shows what it holds, in no settled order.
functions! {
    "cycler" free |items: Rest<Value>| globals::cycler(items.0);
    "dict" free functions::dict;
    "joiner" free globals::joiner;
    "namespace" free functions::namespace;
    "range" ranged functions::range;
}

macro_rules! methods {
    ($($kind:ident $name:literal $bound:ident;)*) => {
        /// The methods that a template may call, as `<kind>.<name>`.
        pub const METHODS: &[&str] = &[$(concat!(methods!(@$kind), ".", $name)),*];

        fn method_bound(kind: ValueKind, name: &str) -> Option<(&'static str, Bound)> {
            match (kind, name) {
                $((ValueKind::$kind, $name) => Some((concat!(methods!(@$kind), ".", $name), bounds::$bound)),)*
                _ => None,
            }
        }
    };
    (@String) => { "string" };
    (@Map) => { "mapping" };
    (@Seq) => { "list" };
}

// Python's, with which Jinja2 templates are written.
methods! {
    Seq "count" free;
    Map "get" free;
    Map "items" free;
    Map "keys" free;
    Map "values" free;
    String "capitalize" rewritten;
    String "count" free;
    String "endswith" free;
    String "find" free;
    String "format" braced;
    String "isalnum" free;
    String "isalpha" free;
    String "isascii" free;
    String "isdigit" free;
    String "islower" free;
    String "isnumeric" free;
    String "isspace" free;
    String "isupper" free;
    String "join" joined_by;
    String "lower" rewritten;
    String "lstrip" copied;
    String "replace" replaced;
    String "rfind" free;
    String "rstrip" copied;
    String "split" cut;
    String "splitlines" cut;
    String "startswith" free;
    String "strip" copied;
    String "title" rewritten;
    String "upper" rewritten;
}

/// Calls a method of Python's on a value, if the table has it.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some((full, bound)) = method_bound(value.kind(), name) else {
        return Err(Error::from(ErrorKind::UnknownMethod));
    };
    let all: Vec<Value> = std::iter::once(value).chain(args).cloned().collect();
    bounds::charge(state, "method", full, bound, &all)?;
    pycompat::unknown_method_callback(state, value, name, args)
}

/// What is wrong when a template calls what is not there: a sentence, and what was probably meant.
pub(crate) fn unknown(error: &Error) -> Option<(String, String)> {
    let detail = error.detail().unwrap_or_default();
    let of = |prefix: &str| detail.strip_prefix(prefix)?.strip_suffix(" is unknown");
    let (what, name, known, kind) = match error.kind() {
        ErrorKind::UnknownFilter => ("filter", of("filter ")?, FILTERS, None),
        ErrorKind::UnknownTest => ("test", of("test ")?, TESTS, None),
        ErrorKind::UnknownFunction => ("function", of("")?, FUNCTIONS, None),
        ErrorKind::UnknownMethod => {
            let (kind, name) = detail.split_once(" has no method named ")?;
            let kind = match kind {
                "map" => "mapping",
                "sequence" => "list",
                other => other,
            };
            ("method", name, METHODS, Some(kind))
        }
        _ => return None,
    };
    let known = known.iter().filter_map(|full| match kind {
        Some(kind) => full.strip_prefix(kind)?.strip_prefix('.'),
        None => Some(*full),
    });
    let known: Vec<&str> = known.collect();
    let shown = super::finding::quoted(name);
    let message = match kind {
        Some(kind) => format!("a {kind} has no method {shown}"),
        None => format!("there is no {what} {shown}"),
    };
    let distance = |known: &&&str| strsim::damerau_levenshtein(known, name);
    let near = known.iter().filter(|known| name.len() <= 64 && distance(known) <= name.len().max(3) / 3);
    let hint = match near.min_by_key(distance) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "methods are those of texts, lists and mappings".to_owned(),
        None => format!("there are {}", known.join(", ")),
    };
    Some((message, hint))
}
