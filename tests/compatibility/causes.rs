//! Why our engine and Jinja2 differ. The examples are ours; what Jinja2 gives is that of Jinja2 3.1.6, with
//! `trim_blocks`, `lstrip_blocks`, `StrictUndefined` and the extensions `do` and `loopcontrols` off.

/// One reason for differences.
pub(crate) struct Cause {
    pub(crate) title: &'static str,
    pub(crate) why: &'static str,
    /// A template, and what Jinja2 gives for it.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// The recorded cases, by test and without parameters.
    pub(crate) cases: &'static [&'static str],
}

const fn cause(
    title: &'static str,
    why: &'static str,
    examples: &'static [(&'static str, &'static str)],
    cases: &'static [&'static str],
) -> Cause {
    Cause { title, why, examples, cases }
}

pub(crate) const CAUSES: &[Cause] = &[
    cause(
        "What was not recorded",
        "These cases give the template a function, a finalizer or a serializer written in Python, which the recording\n\
         could not take along. They say nothing about an engine that does not have it.",
        &[],
        &[
            "TestExtendedAPI.test_finalize_constant_expression",
            "TestExtendedAPI.test_no_finalize_template_data",
            "TestExtendedAPI.test_context_finalize",
            "TestExtendedAPI.test_eval_finalize",
            "TestExtendedAPI.test_env_autoescape",
            "TestFilter.test_json_dump",
            "TestBug.test_pass_context_loop_vars",
            "TestBug.test_pass_context_scoped_loop_vars",
            "TestBug.test_pass_context_in_blocks",
            "TestBug.test_pass_context_block_and_loop",
        ],
    ),
    cause(
        "Python's objects",
        "There is no Python below the engine: values are texts, numbers, lists and mappings, and have no class and no\n\
         private attributes. In a text that is formatted, a name that is not there is an error.",
        &[("{{ ''.__class__.__name__ }}", "str")],
        &[
            "TestUndefined.test_chainable_undefined",
            "TestAutoEscape.test_volatile_scoping",
            "TestStringFormat.test_basic_format_safety",
            "TestStringFormat.test_safe_format_safety",
            "TestStringFormatMap.test_basic_format_safety",
        ],
    ),
    cause(
        "Values do not change",
        "A template cannot change a list or a mapping, so methods that do are missing. `+` makes a new list; a\n\
         `namespace` holds what a loop collects.",
        &[("{% set a = [1] %}{% set b = a.append(2) %}{{ a }}", "[1, 2]")],
        &["TestExtensions.test_do", "TestBug.test_macro_scoping"],
    ),
    cause(
        "Filters that make HTML",
        "Prompts are no web pages. `escape` and `striptags` are there.",
        &[(
            "{{ 'see example.org'|urlize }}",
            "see <a href=\"https://example.org\" rel=\"noopener\">example.org</a>",
        )],
        &[
            "TestAutoEscape.test_nonvolatile",
            "TestAutoEscape.test_volatile",
            "TestFilter.test_urlize",
            "TestFilter.test_urlize_target_parameter",
            "TestFilter.test_urlize_extra_schemes_parameter",
            "TestFilter.test_xmlattr",
            "TestBug.test_urlize_filter_escaping",
            "TestBug.test_urlize_filter_closing_punctuation",
        ],
    ),
    cause(
        "Chance",
        "The same prompt with the same values gives the same text: there is no `random`, no `lipsum` and no clock.",
        &[("{{ [7]|random }}", "7")],
        &["TestFilter.test_random"],
    ),
    cause(
        "Extensions",
        "`break` and `continue` are an extension of Jinja2 that is off unless it is asked for; it is off here.",
        &[],
        &["TestExtensions.test_loop_controls"],
    ),
    cause(
        "Line statements",
        "Statements on lines of their own, which prompts do not have, may not end with a colon.",
        &[],
        &[
            "TestParser.test_line_syntax",
            "TestParser.test_line_syntax_priority",
            "TestBug.test_stacked_locals_scoping_bug",
        ],
    ),
    cause(
        "White space around raw blocks",
        "With `trim_blocks` and `lstrip_blocks`, the tags of a raw block take the line end after them and the blanks\n\
         before them, as other tags do; in Jinja2 what is raw stays as it is.",
        &[("{% raw %}\na{% endraw %}", "\na")],
        &[
            "TestLexer.test_raw3",
            "TestLstripBlocks.test_lstrip_trim_blocks_raw",
            "TestTrimBlocks.test_raw_trim_lstrip",
        ],
    ),
    cause(
        "Calling what a filter gives",
        "A filter's result is called only in parentheses, and `attr` finds entries, not methods.",
        &[("{{ {'a': 1}|attr('items')()|list }}", "[('a', 1)]")],
        &["TestExtendedAPI.test_item_and_attribute"],
    ),
    cause(
        "Nothing to go through",
        "A loop over `none` has no step.",
        &[("{% for x in none %}{% else %}empty{% endfor %}", "an error")],
        &["TestForLoop.test_noniter"],
    ),
    cause(
        "Arguments that a macro does not name",
        "A macro takes the arguments that it names; there is no `varargs` or `kwargs`.",
        &[("{% macro m() %}{{ varargs|length }}{% endmacro %}{{ m(1, 2) }}", "2")],
        &["TestMacros.test_varargs"],
    ),
    cause(
        "Namespaces from a mapping and names at once",
        "`namespace` takes a mapping or names, not both.",
        &[("{% set n = namespace({'a': 1}, b=2) %}{{ n.a + n.b }}", "3")],
        &["TestSet.test_init_namespace"],
    ),
    cause(
        "Names in `with`",
        "A name that `with` sets is known to those after it in the same tag.",
        &[("{% set a = 1 %}{% with a = 2, b = a %}{{ b }}{% endwith %}", "1")],
        &["TestWith.test_with_argument_scoping"],
    ),
    cause(
        "Names in `autoescape`",
        "What is set inside an `autoescape` block is known after it.",
        &[("{% set a = 1 %}{% autoescape true %}{% set a = 2 %}{% endautoescape %}{{ a }}", "1")],
        &["TestAutoEscape.test_scoping"],
    ),
    cause(
        "Numbers too large for an integer",
        "A number as text that no integer holds becomes the largest one.",
        &[("{{ '1e10000'|int }}", "0")],
        &["TestFilter.test_int"],
    ),
    cause(
        "Items of what is undefined",
        "`items` takes mappings only; the case has a variable without a value, and undefined values allowed.",
        &[],
        &["TestFilter.test_items_undefined"],
    ),
    cause(
        "The layout of `pprint`",
        "It is laid out over lines always, indented by four, with its brackets on lines of their own.",
        &[("{{ [1, 2]|pprint }}", "[1, 2]")],
        &["TestFilter.test_pprint"],
    ),
    cause(
        "Grouping",
        "`groupby` takes names of attributes, not places in a list, and shows a group by the last spelling of its name\n\
         rather than the first.",
        &[
            ("{% for g, l in [['a', 1]]|groupby(0) %}{{ g }}{% endfor %}", "a"),
            ("{% for g, l in [{'k': 'A'}, {'k': 'a'}]|groupby('k') %}{{ g }}{% endfor %}", "A"),
        ],
        &["TestFilter.test_groupby_tuple_index", "TestFilter.test_groupby_case"],
    ),
    cause(
        "Wrapping lines",
        "There is no `wordwrap`: a prompt is not read in columns.",
        &[("{{ 'aa bb'|wordwrap(2) }}", "aa\nbb")],
        &["TestFilter.test_wordwrap"],
    ),
    cause(
        "A plus before a number",
        "There is a minus as a sign, and no plus.",
        &[("{{ +3 }}", "3")],
        &["TestSyntax.test_unary"],
    ),
    cause(
        "Very large and very small numbers",
        "They are written out, without an exponent.",
        &[("{{ 1e20 }}", "1e+20"), ("{{ 0.00001 }}", "1e-05")],
        &["TestSyntax.test_numeric_literal"],
    ),
    cause(
        "Blocks in macros",
        "A macro cannot have a `block`, which only inheritance needs.",
        &[("{% macro m() %}{% block b %}x{% endblock %}{% endmacro %}{{ m() }}", "x")],
        &["TestBug.test_macro_blocks"],
    ),
    cause(
        "Conditions of recursive loops",
        "The condition of a recursive loop is asked for the outermost items only.",
        &[(
            "{% for n in [[1, [2]]] if n != 2 recursive %}{{ n if n is number else loop(n) }}{% endfor %}",
            "1",
        )],
        &["TestBug.test_recursive_loop_filter"],
    ),
    cause(
        "Formatting what is already escaped",
        "The method `format` does not escape its arguments when its text is marked as safe, and there is no\n\
         `format_map`.",
        &[("{{ '{a}'.format_map({'a': 1}) }}", "1")],
        &[
            "TestStringFormat.test_safe_format_all_okay",
            "TestStringFormat.test_empty_braces_format",
            "TestStringFormatMap.test_basic_format_all_okay",
            "TestStringFormatMap.test_safe_format_all_okay",
        ],
    ),
    cause(
        "Bounds",
        "Widths, precisions and counts end at 1000, a range at 100,000 items, and what calls write at 128 MB. An\n\
         expression has at most 400 tokens, and a template 100 `elif`.",
        &[("{{ 'a'|center(1001)|length }}", "1001")],
        &["TestIfCondition.test_elif_deep"],
    ),
    cause("The operator `%` on texts", "The filter `format` does it.", &[("{{ '%s!' % 'a' }}", "a!")], &[]),
    cause(
        "JSON",
        "`tojson` keeps the order of keys and writes letters as they are; Jinja2 sorts, and escapes what is not ASCII.",
        &[("{{ {'b': 1, 'a': 'é'}|tojson }}", "{\"a\": \"\\u00e9\", \"b\": 1}")],
        &[],
    ),
    cause(
        "What is a sequence",
        "A text is no sequence, though it can be gone through.",
        &[("{{ 'a' is sequence }}", "True")],
        &[],
    ),
    cause(
        "Entries that are called like a method",
        "An entry without parentheses is the mapping's own, never a method.",
        &[("{{ {'items': 1}.items is number }}", "False")],
        &[],
    ),
];
