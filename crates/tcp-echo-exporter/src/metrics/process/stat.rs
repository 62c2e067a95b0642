//! The contents of /proc/self/stat and /proc/stat (`proc_pid_stat(5)`, `proc_stat(5)`).

use std::str;

/// Times and sizes of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// CPU time in user and kernel mode, in ticks.
    pub(super) cpu: u64,
    pub(super) threads: u64,
    /// The start of the process since the boot, in ticks.
    pub(super) start: u64,
    /// The address space, in bytes.
    pub(super) virtual_bytes: u64,
    pub(super) resident_pages: u64,
}

impl Stat {
    /// Parses the line of a process.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        // The second field is the name of the program, which may contain spaces and parentheses.
        let end_of_name = line.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(line.get(end_of_name + 1..)?).ok()?;
        // The manual counts the process ID as field 1.
        let mut fields = (3..).zip(rest.split_ascii_whitespace());
        let mut field = |number| {
            let (_, text) = fields.find(|(at, _)| *at == number)?;
            text.parse::<u64>().ok()
        };
        // Fields are read in their order.
        let (user, system) = (field(14)?, field(15)?);
        Some(Self {
            cpu: user + system,
            threads: field(20)?,
            start: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// Returns when the system booted, in Unix seconds, from the text of /proc/stat.
pub(super) fn boot_time(text: &str) -> Option<u64> {
    let time = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    time.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_name() {
        let line = b"7 (a) b 1 (c)) S 1 7 7 0 -1 4194304 9 0 0 0 120 34 0 0 20 0 3 0 5678 \
                     4096000 250 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0\n";
        let expected = Stat {
            cpu: 154,
            threads: 3,
            start: 5678,
            virtual_bytes: 4_096_000,
            resident_pages: 250,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse(b"7 (a) S 1 7"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn the_boot_time_has_its_own_line() {
        let text = "cpu  1 2 3\nctxt 99\nbtime 1700000000\nprocesses 4\n";
        assert_eq!(boot_time(text), Some(1_700_000_000));
        assert_eq!(boot_time("cpu  1 2 3\n"), None);
    }
}
