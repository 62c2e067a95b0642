//! Fuzzes the text of service definitions: each runs exactly the command that it was created from,
//! and no argument can add a line.

use tcp_echo_metrics::cli;

use crate::flags::command_line;

#[cfg(unix)]
mod definitions;

/// The input has the program's path on the first line, then a command line.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (program, rest) = data.split_at(end.unwrap_or(data.len()));
    let Ok(program) = std::str::from_utf8(program) else {
        return;
    };
    let Some((arguments, environment)) = command_line(rest.get(1..).unwrap_or_default()) else {
        return;
    };
    let parsed = cli::parse(arguments, |name| environment.get(name).cloned());
    #[cfg(unix)]
    if let Ok(config) = parsed {
        definitions::check(&config, &std::path::Path::new("/").join(program));
    }
    #[cfg(not(unix))]
    drop((parsed, program));
}
