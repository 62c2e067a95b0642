//! The manual page.

use clap::{Arg, ArgAction, Command};
use roff::{Inline, Roff, bold, italic, roman};

use super::value_name;
use crate::version;

mod text;

/// How long a line of the page's source is at most, with some room for escapes.
const SOURCE_WIDTH: usize = 70;

/// The page of `command`. Its examples are those of `help`, as the help shows them.
pub(super) fn page(command: &Command, help: &str) -> String {
    let mut page = Page(Roff::new());
    let source = format!("tcp-echo-metrics {}", version::VERSION);
    let title = [
        "TCP-ECHO-METRICS",
        "1",
        version::DATE,
        &source,
        "User Commands",
    ];
    page.macros("TH", &title);
    // Names of flags and variables stay whole, and their lines ragged.
    page.macros("nh", &[]);
    page.macros("ad", &["l"]);
    page.section("NAME");
    page.text(text::NAME);
    page.section("SYNOPSIS");
    page.synopsis();
    page.section("DESCRIPTION");
    let (examples, notes): (Vec<&str>, Vec<&str>) = help
        .split("\n\n")
        .partition(|part| part.trim_start_matches("Examples:\n").starts_with(' '));
    page.paragraphs(text::DESCRIPTION.split("\n\n").chain(notes));
    page.section("OPTIONS");
    page.options(command);
    page.section("ENVIRONMENT");
    page.paragraphs(text::ENVIRONMENT.split("\n\n"));
    let variables = command
        .get_arguments()
        .filter_map(super::super::variable_of_flag);
    page.text(&variables.collect::<Vec<_>>().join(", "));
    page.list(text::VARIABLES);
    page.section("SIGNALS");
    page.list(text::SIGNALS);
    page.section("EXIT STATUS");
    page.list(text::STATUS);
    page.section("FILES");
    page.list(text::FILES);
    page.section("EXAMPLES");
    for (number, example) in examples.iter().enumerate() {
        if number > 0 {
            page.macros("PP", &[]);
        }
        page.example(example.trim_start_matches("Examples:\n"));
    }
    page.section("SEE ALSO");
    page.see_also(text::SEE_ALSO);
    page.0.render()
}

/// A page in the making.
struct Page(Roff);

impl Page {
    fn macros(&mut self, name: &str, arguments: &[&str]) {
        // One that is empty has to be seen.
        let shown = |argument: &&'_ str| {
            if argument.is_empty() {
                "\"\""
            } else {
                *argument
            }
            .to_owned()
        };
        let arguments: Vec<String> = arguments.iter().map(shown).collect();
        self.0.control(name, arguments.iter().map(String::as_str));
    }

    fn section(&mut self, title: &str) {
        self.macros("SH", &[title]);
    }

    fn text(&mut self, text: &str) {
        self.0.text([roman(wrapped(text))]);
    }

    fn paragraphs<'a>(&mut self, paragraphs: impl Iterator<Item = &'a str>) {
        for (number, paragraph) in paragraphs.enumerate() {
            if number > 0 {
                self.macros("PP", &[]);
            }
            self.text(paragraph);
        }
    }

    fn synopsis(&mut self) {
        for (number, line) in text::SYNOPSIS.iter().enumerate() {
            if number > 0 {
                self.macros("br", &[]);
            }
            let mut inlines = vec![bold("tcp-echo-metrics"), roman(" ")];
            inlines.extend(syntax(line));
            self.0.text(inlines);
        }
    }

    /// All flags, under the headings of the help.
    fn options(&mut self, command: &Command) {
        let mut heading = None;
        for flag in command.get_arguments() {
            if flag.get_help_heading() != heading {
                heading = flag.get_help_heading();
                self.macros("SS", &[heading.unwrap_or_default()]);
            }
            self.option(flag);
        }
    }

    fn option(&mut self, flag: &Arg) {
        let mut tag = Vec::new();
        if let Some(short) = flag.get_short() {
            tag.extend([bold(format!("-{short}")), roman(", ")]);
        }
        tag.push(bold(format!("--{}", flag.get_long().unwrap_or_default())));
        if matches!(flag.get_action(), ArgAction::Set | ArgAction::Append) {
            let name = value_name(flag);
            let optional = flag.is_require_equals_set();
            let value = if optional {
                format!("[={name}]")
            } else {
                format!(" {name}")
            };
            tag.extend(syntax(&value));
        }
        let mut help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        if let [default] = flag.get_default_values()
            && !flag.is_hide_default_value_set()
        {
            help = format!("{help} [default: {}]", default.to_string_lossy());
        }
        self.item(tag, &help);
    }

    fn list(&mut self, items: &[(&str, &str)]) {
        for (name, meaning) in items {
            self.item(vec![bold(*name)], meaning);
        }
    }

    fn item(&mut self, tag: Vec<Inline>, body: &str) {
        self.macros("TP", &[]);
        self.0.text(tag);
        self.text(body);
    }

    /// A line that says what for, and the command below it, indented by two more.
    fn example(&mut self, example: &str) {
        let mut lines = example.lines();
        self.text(lines.next().unwrap_or_default().trim());
        self.macros("PP", &[]);
        self.macros("in", &["+4n"]);
        self.macros("nf", &[]);
        for line in lines {
            self.0
                .text([roman(line.strip_prefix("    ").unwrap_or(line))]);
        }
        self.macros("fi", &[]);
        self.macros("in", &[]);
    }

    fn see_also(&mut self, pages: &[(&str, &str)]) {
        for (number, (name, section)) in pages.iter().enumerate() {
            let comma = if number + 1 < pages.len() { "," } else { "" };
            self.0
                .text([bold(*name), roman(format!("({section}){comma}"))]);
        }
    }
}

/// `text` in lines of a length that is usual for sources.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let is_first = wrapped.is_empty();
        if !is_first && length + word.len() >= SOURCE_WIDTH {
            wrapped.push('\n');
            length = 0;
        } else if !is_first {
            wrapped.push(' ');
        }
        wrapped += word;
        length += word.len() + 1;
    }
    wrapped
}

/// What one types, in bold, and what one puts something else for, which is written in
/// capitals, in italics.
fn syntax(text: &str) -> Vec<Inline> {
    let is_word = |c: char| c.is_alphanumeric() || c == '-';
    let mut inlines = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| is_word(c) == is_word(first);
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        inlines.push(if !is_word(first) {
            roman(part)
        } else if part.contains(|c: char| c.is_lowercase() || c.is_numeric()) {
            bold(part)
        } else {
            italic(part)
        });
        rest = after;
    }
    inlines
}
