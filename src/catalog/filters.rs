//! Filters that do what Jinja2's do where the engine has none, or others. Sources: the documentation of Jinja2 3.1,
//! "List of Builtin Filters", and Python's for what these are made of.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{
    AutoEscape, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter, filters,
};

/// Prints a value, HTML-escaped in the blocks that ask for it, with the entities that Jinja2 writes.
pub(super) fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if *state.auto_escape() != AutoEscape::Html || value.is_safe() {
        return escape_formatter(out, state, value);
    }
    out.write_str(&entities(&value.to_string())).map_err(Error::from)
}

fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `escape`, `e`: HTML entities, once.
pub(super) fn escape(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let escapes = *state.auto_escape() == AutoEscape::Html;
    let text = state.format(value.clone())?; // an undefined value is an error here
    Ok(Value::from_safe_string(if escapes { text } else { entities(&text) }))
}

/// A filter whose arguments can be given by position as well as by name.
pub(super) fn by_position(filter: Value, names: &'static [&'static str]) -> Value {
    Value::from_function(move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let mut args = args.into_values();
        let given = match args.last() {
            Some(last) if last.is_kwargs() => args.pop(),
            _ => None,
        };
        let rest = if args.is_empty() { Vec::new() } else { args.split_off(1) };
        if rest.len() > names.len() {
            return Err(Error::from(ErrorKind::TooManyArguments));
        }
        let mut named: Vec<(String, Value)> = names.iter().map(|name| (*name).to_owned()).zip(rest).collect();
        if let Some(given) = given {
            for key in given.try_iter()? {
                named.push((key.to_string(), given.get_item(&key)?));
            }
        }
        if !named.is_empty() {
            args.push(named.into_iter().collect::<Kwargs>().into());
        }
        filter.call(state, &args)
    })
}

/// A filter that would pass over an undefined value, or one in a list, where such a value is an error.
pub(super) fn strict(filter: Value) -> Value {
    Value::from_function(move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        if state.undefined_behavior() == UndefinedBehavior::Strict
            && let Some(value) = args.first()
            && (value.is_undefined()
                || value.kind() == ValueKind::Seq && value.try_iter()?.any(|item| item.is_undefined()))
        {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        filter.call(state, &args)
    })
}

/// `int`: what is no number is the default, which is 0.
pub(super) fn int(
    state: &State,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let default = default_or(default, &kwargs, Value::from(0))?;
    filters::int(state, value, Some(default), base, kwargs)
}

/// `float`: what is no number is the default, which is 0.0.
pub(super) fn float(
    state: &State,
    value: &Value,
    default: Option<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let default = default_or(default, &kwargs, Value::from(0.0))?;
    filters::float(state, value, Some(default), kwargs)
}

fn default_or(default: Option<Value>, kwargs: &Kwargs, otherwise: Value) -> Result<Value, Error> {
    let named = kwargs.get::<Option<Value>>("default")?;
    Ok(default.or(named).unwrap_or(otherwise))
}

/// The arguments of a filter: each by position, or by its name.
struct Arguments<'a> {
    rest: &'a [Value],
    kwargs: &'a Kwargs,
}

impl Arguments<'_> {
    fn get(&self, at: usize, name: &str) -> Result<Option<Value>, Error> {
        let named = self.kwargs.get::<Option<Value>>(name)?;
        Ok(self.rest.get(at).cloned().or(named).filter(|value| !value.is_none()))
    }

    fn number(&self, at: usize, name: &str, otherwise: usize) -> Result<usize, Error> {
        self.get(at, name)?.map_or(Ok(otherwise), usize::try_from)
    }

    fn truth(&self, at: usize, name: &str) -> Result<bool, Error> {
        Ok(self.get(at, name)?.is_some_and(|value| value.is_true()))
    }
}

/// The text of a value, which must have one.
fn text(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => state.format(value.clone()),
    }
}

/// `indent(width=4, first=False, blank=False)`: the width may be a text, which then begins the lines.
pub(super) fn indent(
    state: &mut State,
    value: &Value,
    rest: Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let args = Arguments { rest: &rest, kwargs: &kwargs };
    let indent = match args.get(0, "width")? {
        None => " ".repeat(4),
        Some(width) if width.as_str().is_some() => width.to_string(),
        Some(width) => " ".repeat(usize::try_from(width)?),
    };
    let (first, blank) = (args.truth(1, "first")?, args.truth(2, "blank")?);
    kwargs.assert_all_used()?;
    let source = text(state, value)?;
    let mut lines = source.split('\n');
    let mut indented = if first { indent.clone() } else { String::new() };
    indented.push_str(lines.next().unwrap_or_default());
    for line in lines {
        indented.push('\n');
        if blank || !line.is_empty() {
            indented.push_str(&indent);
        }
        indented.push_str(line);
    }
    Ok(same_safety(value, indented))
}

fn same_safety(value: &Value, text: String) -> Value {
    if value.is_safe() { Value::from_safe_string(text) } else { Value::from(text) }
}

/// `truncate(length=255, killwords=False, end='...', leeway=5)`, lengths in characters.
pub(super) fn truncate(
    state: &mut State,
    value: &Value,
    rest: Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let args = Arguments { rest: &rest, kwargs: &kwargs };
    let (length, leeway) = (args.number(0, "length", 255)?, args.number(3, "leeway", 5)?);
    let killwords = args.truth(1, "killwords")?;
    let end = args.get(2, "end")?.map_or_else(|| "...".to_owned(), |end| end.to_string());
    kwargs.assert_all_used()?;
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        let message = format!("`truncate` is given a length of {length}, which is less than that of its end");
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    let whole = text(state, value)?;
    if whole.chars().nth(length.saturating_add(leeway)).is_none() {
        return Ok(value.clone());
    }
    let cut: String = whole.chars().take(kept).collect();
    let shown = match cut.rsplit_once(' ') {
        Some((words, _)) if !killwords => words,
        _ => &cut,
    };
    Ok(same_safety(value, format!("{shown}{end}")))
}

/// `center(width=80)`, in characters.
pub(super) fn center(
    state: &mut State,
    value: &Value,
    width: Option<usize>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let named = kwargs.get::<Option<usize>>("width")?;
    kwargs.assert_all_used()?;
    let (text, width) = (text(state, value)?, width.or(named).unwrap_or(80));
    let space = width.saturating_sub(text.chars().count());
    let left = space / 2 + (space & width & 1); // as Python's str.center has it
    Ok(same_safety(value, format!("{}{text}{}", " ".repeat(left), " ".repeat(space - left))))
}

/// `wordcount`: runs of letters, digits and `_`.
pub(super) fn wordcount(state: &mut State, value: &Value) -> Result<usize, Error> {
    let text = text(state, value)?;
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    Ok(words.filter(|word| !word.is_empty()).count())
}

/// `urlencode`: a text percent-encoded but for `/`; a mapping or a list of pairs as a query.
pub(super) fn urlencode(state: &mut State, value: &Value) -> Result<String, Error> {
    let pairs: Vec<(Value, Value)> = match value.kind() {
        ValueKind::Map => {
            let keys = value.try_iter()?;
            keys.map(|key| value.get_item(&key).map(|item| (key, item))).collect::<Result<_, _>>()?
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let pair = |pair: Value| match (pair.as_str(), pair.len()) {
                (None, Some(2)) => Ok((pair.get_item_by_index(0)?, pair.get_item_by_index(1)?)),
                _ => Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "`urlencode` takes a text, a mapping or pairs",
                )),
            };
            value.try_iter()?.map(pair).collect::<Result<_, Error>>()?
        }
        _ => return Ok(percent(&text(state, value)?, b"/", "%20")),
    };
    let pairs = pairs.iter().map(|(key, item)| {
        format!("{}={}", percent(&key.to_string(), b"", "+"), percent(&item.to_string(), b"", "+"))
    });
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

/// RFC 3986: everything but the unreserved characters and those named is encoded.
fn percent(text: &str, kept: &[u8], space: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push_str(space),
            _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
