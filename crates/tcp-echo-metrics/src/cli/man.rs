//! The manual page.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::environment;
use crate::version;

mod text;

/// An empty argument of a macro needs quotes.
const DATE: &str = if version::DATE.is_empty() {
    "\"\""
} else {
    version::DATE
};

/// The page of `command`. `help` is the end of its help, with the examples and notes.
pub(super) fn page(command: &Command, help: &str) -> String {
    let mut page = Vec::new();
    // Writing to memory can't fail, and all of it is UTF-8.
    let _ = write_page(&mut page, command, help);
    String::from_utf8_lossy(&page).into_owned()
}

fn write_page(page: &mut Vec<u8>, command: &Command, help: &str) -> io::Result<()> {
    let man = Man::new(command.clone())
        .title("TCP-ECHO-METRICS")
        .date(DATE)
        .source(format!("tcp-echo-metrics {}", version::VERSION))
        .manual("User Commands");
    man.render_title(page)?;

    let (examples, notes): (Vec<&str>, Vec<&str>) = help
        .split("\n\n")
        .partition(|part| part.trim_start_matches("Examples:\n").starts_with(' '));
    let mut start = Roff::new();
    // Names of flags and variables are not hyphenated, and lines are not justified.
    start.control("nh", []).control("ad", ["l"]);
    start.control("SH", ["NAME"]).text([roman(text::NAME)]);
    start.control("SH", ["SYNOPSIS"]);
    synopsis(&mut start);
    start.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut start, text::DESCRIPTION.iter().copied().chain(notes));
    start.control("SH", ["OPTIONS"]);
    page.extend_from_slice(start.to_roff().as_bytes());

    options(page, command)?;

    let mut end = Roff::new();
    end.control("SH", ["ENVIRONMENT"]);
    paragraphs(&mut end, text::ENVIRONMENT.split("\n\n"));
    let variables = command
        .get_arguments()
        .filter_map(environment::variable_of_flag);
    end.text([roman(variables.collect::<Vec<_>>().join(",\n"))]);
    list(&mut end, text::VARIABLES);
    for (title, items) in [
        ("SIGNALS", text::SIGNALS),
        ("EXIT STATUS", text::STATUS),
        ("FILES", text::FILES),
    ] {
        end.control("SH", [title]);
        list(&mut end, items);
    }
    end.control("SH", ["EXAMPLES"]);
    for (number, part) in examples.iter().enumerate() {
        if number > 0 {
            end.control("PP", []);
        }
        example(&mut end, part.trim_start_matches("Examples:\n"));
    }
    end.control("SH", ["SEE ALSO"]);
    see_also(&mut end, text::SEE_ALSO);
    page.extend_from_slice(end.to_roff().as_bytes());
    Ok(())
}

/// All flags, with a subsection for each heading of the help. Alone, `clap_mangen` would make
/// sections of them, among those of the page.
fn options(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let mut headings: Vec<&str> = command
        .get_arguments()
        .filter_map(Arg::get_help_heading)
        .collect();
    headings.dedup();
    for heading in headings {
        let of_heading = |arg: &&Arg| arg.get_help_heading() == Some(heading);
        let args = command.get_arguments().filter(of_heading).cloned();
        let group = Command::new("")
            .version(version::VERSION)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args(args.map(|arg| arg.help_heading(None::<&str>)));
        let mut section = Vec::new();
        Man::new(group).render_options_section(&mut section)?;
        let section = String::from_utf8_lossy(&section);
        let (_, flags) = section.split_once(".SH OPTIONS\n").unwrap_or_default();
        let heading = Roff::new().control("SS", [heading]).to_roff();
        page.extend_from_slice(heading.as_bytes());
        page.extend_from_slice(flags.as_bytes());
    }
    Ok(())
}

fn paragraphs<'a>(roff: &mut Roff, paragraphs: impl Iterator<Item = &'a str>) {
    for (number, paragraph) in paragraphs.enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph)]);
    }
}

fn synopsis(roff: &mut Roff) {
    for (number, line) in text::SYNOPSIS.iter().enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        let mut inlines = vec![bold("tcp-echo-metrics"), roman(" ")];
        inlines.extend(syntax(line));
        roff.text(inlines);
    }
}

fn list(roff: &mut Roff, items: &[(&str, &str)]) {
    for (name, meaning) in items {
        roff.control("TP", []);
        roff.text([bold(*name)]).text([roman(*meaning)]);
    }
}

/// A title, and the command below it, indented.
fn example(roff: &mut Roff, example: &str) {
    let mut lines = example.lines();
    roff.text([roman(lines.next().unwrap_or_default().trim())]);
    roff.control("PP", [])
        .control("in", ["+4n"])
        .control("nf", []);
    for line in lines {
        roff.text([roman(line.strip_prefix("    ").unwrap_or(line))]);
    }
    roff.control("fi", []).control("in", []);
}

fn see_also(roff: &mut Roff, pages: &[(&str, &str)]) {
    for (number, (name, section)) in pages.iter().enumerate() {
        let comma = if number + 1 < pages.len() { "," } else { "" };
        roff.text([bold(*name), roman(format!("({section}){comma}"))]);
    }
}

/// Literal words in bold, placeholders in italics.
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
