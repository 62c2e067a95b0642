//! Flags whose values are files.

use clap::{Arg, Command};

use crate::value_name;

/// The long names of the flags of `command` whose values are files: those with the value name
/// `FILE`.
pub fn file_flags(command: &Command) -> Vec<String> {
    let takes_file = |flag: &&Arg| value_name(flag) == "FILE";
    command
        .get_arguments()
        .filter(takes_file)
        .filter_map(|flag| flag.get_long().map(str::to_owned))
        .collect()
}

/// The flag and the value in a rewritten argument, if the flag is one of `file_flags`.
pub fn file_of<'a>(rewritten: &'a str, file_flags: &[String]) -> Option<(&'a str, &'a str)> {
    let (name, value) = rewritten.strip_prefix("--")?.split_once('=')?;
    let is_file = file_flags.iter().any(|flag| flag == name) && !value.is_empty();
    is_file.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_among_the_flags_are_recognized() {
        let command = Command::new("echo")
            .arg(Arg::new("targets").long("targets").value_name("FILE"))
            .arg(Arg::new("target").long("target"));
        let flags = file_flags(&command);
        assert_eq!(flags, ["targets"]);
        assert_eq!(
            file_of("--targets=a=b.yml", &flags),
            Some(("targets", "a=b.yml"))
        );
        assert_eq!(file_of("--target=a.yml", &flags), None);
        assert_eq!(file_of("--targets=", &flags), None);
    }
}
