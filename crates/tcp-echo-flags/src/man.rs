//! Manual pages.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::Variables;

/// The text of a manual page besides the help of the flags. Pairs are a term and its meaning.
#[derive(Clone, Copy, Debug)]
pub struct ManPage<'a> {
    /// The title in the header, in capitals.
    pub title: &'a str,
    /// The date in the footer, such as `2026-04-14`; empty without one.
    pub date: &'a str,
    /// The version of the program.
    pub version: &'a str,
    /// The line of the section NAME: the name of the program, and what it does.
    pub name: &'a str,
    /// The command lines, without the name of the program.
    pub synopsis: &'a [&'a str],
    /// The paragraphs of the description.
    pub description: &'a [&'a str],
    /// The text before the list of the variables of flags; an empty line separates paragraphs.
    pub environment: &'a str,
    /// Which flags have variables.
    pub flag_variables: Variables,
    /// Other variables.
    pub variables: &'a [(&'a str, &'a str)],
    /// More sections.
    pub sections: &'a [(&'a str, &'a [(&'a str, &'a str)])],
    /// The end of the help: parts separated by empty lines. Those that begin with `Examples:` or a
    /// space are examples, a title and the command below it; the others belong to the description.
    pub help: &'a str,
    /// Other pages, and their sections of the manual.
    pub see_also: &'a [(&'a str, &'a str)],
}

impl ManPage<'_> {
    /// The page of `command`, as roff.
    pub fn render(&self, command: &Command) -> String {
        let mut page = Vec::new();
        // Writing to memory can't fail, and all of it is UTF-8.
        let _ = self.write(&mut page, command);
        String::from_utf8_lossy(&page).into_owned()
    }

    fn write(&self, page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
        let program = command.get_name();
        // An empty argument of a macro needs quotes.
        let date = if self.date.is_empty() {
            "\"\""
        } else {
            self.date
        };
        let man = Man::new(command.clone())
            .title(self.title)
            .date(date)
            .source(format!("{program} {}", self.version))
            .manual("User Commands");
        man.render_title(page)?;

        let (examples, notes): (Vec<&str>, Vec<&str>) = self
            .help
            .split("\n\n")
            .partition(|part| part.trim_start_matches("Examples:\n").starts_with(' '));
        let mut start = Roff::new();
        // Names of flags and variables are not hyphenated, and lines are not justified.
        start.control("nh", []).control("ad", ["l"]);
        start.control("SH", ["NAME"]).text([roman(self.name)]);
        start.control("SH", ["SYNOPSIS"]);
        synopsis(&mut start, program, self.synopsis);
        start.control("SH", ["DESCRIPTION"]);
        paragraphs(&mut start, self.description.iter().copied().chain(notes));
        start.control("SH", ["OPTIONS"]);
        page.extend_from_slice(start.to_roff().as_bytes());

        self.options(page, command)?;

        let mut end = Roff::new();
        end.control("SH", ["ENVIRONMENT"]);
        paragraphs(&mut end, self.environment.split("\n\n"));
        let variables = command
            .get_arguments()
            .filter_map(|flag| self.flag_variables.of_flag(flag));
        end.text([roman(variables.collect::<Vec<_>>().join(",\n"))]);
        list(&mut end, self.variables);
        for (title, items) in self.sections {
            end.control("SH", [*title]);
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
        see_also(&mut end, self.see_also);
        page.extend_from_slice(end.to_roff().as_bytes());
        Ok(())
    }

    /// All flags, with a subsection for each heading of the help. Alone, `clap_mangen` would make
    /// sections of them, among those of the page.
    fn options(&self, page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
        let mut headings: Vec<&str> = command
            .get_arguments()
            .filter_map(Arg::get_help_heading)
            .collect();
        headings.dedup();
        for heading in headings {
            let of_heading = |arg: &&Arg| arg.get_help_heading() == Some(heading);
            let args = command.get_arguments().filter(of_heading).cloned();
            let group = Command::new("")
                .version(self.version.to_owned())
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
}

fn paragraphs<'a>(roff: &mut Roff, paragraphs: impl Iterator<Item = &'a str>) {
    for (number, paragraph) in paragraphs.enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph)]);
    }
}

fn synopsis(roff: &mut Roff, program: &str, lines: &[&str]) {
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        let mut inlines = vec![bold(program), roman(" ")];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_flags_below_their_headings() {
        let page = ManPage {
            title: "ECHO",
            date: "",
            version: "1.2.3",
            name: "echo - answer",
            synopsis: &["--mode client|both [FLAG]..."],
            description: &["It answers."],
            environment: "The variables are:",
            flag_variables: Variables {
                prefix: "ECHO_",
                without: &[],
            },
            variables: &[("NO_COLOR", "No colours.")],
            sections: &[("SIGNALS", &[("SIGINT", "End.")])],
            help: "Examples:\n  Answer:\n    echo\n\nFlags may be written as in Go.",
            see_also: &[("ping", "8"), ("nc", "1")],
        };
        let mode = Arg::new("mode").long("mode").help("What to run");
        let command = Command::new("echo").arg(mode.help_heading("Mode"));
        let text = page.render(&command);
        for part in [
            ".TH ECHO 1 \"\" \"echo 1.2.3\"",
            ".SH NAME\necho \\- answer",
            "\\fBecho\\fR \\fB\\-\\-mode\\fR \\fBclient\\fR|\\fBboth\\fR [\\fIFLAG\\fR]...",
            ".SH DESCRIPTION\nIt answers.\n.PP\nFlags may be written as in Go.",
            ".SS Mode\n",
            "What to run",
            "The variables are:\nECHO_MODE",
            ".SH SIGNALS\n.TP\n\\fBSIGINT\\fR\nEnd.",
            ".SH EXAMPLES\nAnswer:\n.PP\n.in +4n\n.nf\necho",
            "\\fBping\\fR(8),\n\\fBnc\\fR(1)",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
}
