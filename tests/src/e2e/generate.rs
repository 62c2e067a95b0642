//! Tests the output of `--generate` with the programs that read it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::shell::{output, program};
use testkit::wait;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "manual page: no warnings",
        tools: &[("groff", "groff"), ("mandoc", "mandoc"), ("man", "man-db")],
        run: manual_page,
        ..PLAIN
    },
    Scenario {
        name: "completions: bash",
        tools: &[("tmux", "tmux"), ("bash", "bash")],
        run: |context| in_terminal(context, &BASH),
        ..PLAIN
    },
    Scenario {
        name: "completions: zsh",
        tools: &[("tmux", "tmux"), ("zsh", "zsh")],
        run: |context| in_terminal(context, &ZSH),
        ..PLAIN
    },
    Scenario {
        name: "completions: fish",
        tools: &[("fish", "fish")],
        run: fish,
        ..PLAIN
    },
];

fn manual_page(context: &Context) -> Result<()> {
    let page = generate(context, "man", "tcp-echo-metrics.1")?;
    let page = page.to_str().context("path")?;
    for (name, arguments) in [
        ("groff", &["-ww", "-man", "-Tutf8"][..]),
        ("mandoc", &["-T", "lint", "-W", "warning"]),
        ("man", &["--warnings", "-l"]),
    ] {
        let arguments = [arguments, &[page]].concat();
        let result = program(name, &arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()?;
        let error = String::from_utf8_lossy(&result.stderr);
        ensure!(
            result.status.success() && error.is_empty(),
            "{name}: {error}"
        );
        let text = String::from_utf8_lossy(&result.stdout);
        // mandoc prints its warnings to standard output.
        ensure!(name != "mandoc" || text.is_empty(), "mandoc: {text}");
    }
    let name = output(&mut program("lexgrog", &[page]))?;
    ensure!(
        name.contains("tcp-echo-metrics - measure TCP latency"),
        "whatis: {name}"
    );
    Ok(())
}

/// Writes the output of `-generate` to a file of this name.
fn generate(context: &Context, what: &str, file: &str) -> Result<std::path::PathBuf> {
    let text = output(Command::new(context.binary()).args(["-generate", what]))?;
    context.file(file, &text)
}

/// A shell with tests of its completions.
struct Shell {
    name: &'static str,
    command: &'static str,
    what: &'static str,
    /// The command that loads the completions from the file `%`.
    setup: &'static str,
    /// The text typed before the tab, and the text on the line after it.
    typed: &'static [(&'static str, &'static str)],
}

const BASH: Shell = Shell {
    name: "bash",
    command: "bash --norc --noprofile",
    what: "complete-bash",
    setup: "source %",
    typed: &[
        ("-mo", "-mode"),
        ("--mo", "--mode"),
        ("-mode cl", "-mode client"),
        ("-mode=se", "-mode=server"),
        ("--mode=cl", "--mode=client"),
        ("-live -log-l", "-live -log-level"),
        ("-live=t", "-live=true"),
        ("-mode=both --log-level=w", "-mode=both --log-level=warn"),
        ("-web.probe-a", "-web.probe-allow"),
        ("--web.probe-i", "--web.probe-idle"),
        ("-targets my", r"-targets my\ targets.yml"),
        ("--targets=my", r"--targets=my\ targets.yml"),
        ("-web.config.file=my", r"-web.config.file=my\ targets.yml"),
        ("-target a=host:my", "-target a=host:my"),
        ("-interval my", "-interval my"),
    ],
};

const ZSH: Shell = Shell {
    name: "zsh",
    command: "zsh -f",
    what: "complete-zsh",
    setup: "autoload -U compinit && compinit -D -u && source %",
    typed: &[
        ("-mo", "-mode="),
        ("--mo", "--mode="),
        ("-mode cl", "-mode client"),
        ("-mode=se", "-mode=server"),
        ("--mode=cl", "--mode=client"),
        ("-live -log-l", "-live -log-level="),
        ("-live=t", "-live=true"),
        ("-mode=both --log-level=w", "-mode=both --log-level=warn"),
        ("-web.probe-a", "-web.probe-allow="),
        ("--web.probe-i", "--web.probe-idle="),
        ("-targets my", r"-targets my\ targets.yml"),
        ("--targets=my", r"--targets=my\ targets.yml"),
        ("-web.config.file=my", r"-web.config.file=my\ targets.yml"),
        ("-interval my", "-interval my"),
        // A flag that may be given only once is not completed again.
        ("-mode=both --mo", "-mode=both --mo"),
    ],
};

const PROMPT: &str = "prompt>";
const LIMIT: Duration = Duration::from_secs(10);

fn in_terminal(context: &Context, shell: &Shell) -> Result<()> {
    let script = generate(context, shell.what, "completions")?;
    context.file("my targets.yml", "[]")?;
    let terminal = Terminal::new(context.folder(), shell.command)?;
    let setup = shell.setup.replace('%', &script.display().to_string());
    let path = context.binary().parent().context("folder")?;
    terminal.keys(&[
        "-l",
        &format!("PATH={}:$PATH; {setup}; PS1='{PROMPT} '", path.display()),
    ])?;
    terminal.keys(&["Enter"])?;
    terminal.line(PROMPT)?;
    for (typed, completed) in shell.typed {
        terminal.keys(&["-l", &format!("tcp-echo-metrics {typed}")])?;
        terminal.line(&format!("{PROMPT} tcp-echo-metrics {typed}"))?;
        // The text typed after the tab shows that the completion has finished.
        terminal.keys(&["Tab"])?;
        terminal.keys(&["-l", "#"])?;
        let line = format!("{PROMPT} tcp-echo-metrics {completed}");
        let found = terminal.until(|screen| {
            let last = screen.lines().rfind(|line| !line.is_empty())?;
            let last = last.strip_suffix('#')?;
            Some(last.trim_end().to_owned())
        })?;
        ensure!(
            found == line,
            "{}: {typed:?} completes to {found:?}",
            shell.name
        );
        terminal.keys(&["C-u", "C-l"])?;
        terminal.line(PROMPT)?;
    }
    Ok(())
}

fn fish(context: &Context) -> Result<()> {
    let script = generate(context, "complete-fish", "completions")?;
    context.file("my targets.yml", "[]")?;
    for (typed, completed) in [
        ("-mo", &["-mode"][..]),
        ("--mo", &["--mode"]),
        ("-mode ", &["both", "client", "server"]),
        ("-mode=c", &["-mode=client"]),
        ("--log-level=w", &["--log-level=warn"]),
        ("-web.probe-a", &["-web.probe-allow"]),
        ("-live=", &["-live=false", "-live=true"]),
        ("-targets m", &["my targets.yml"]),
        ("--targets=m", &["--targets=my targets.yml"]),
        ("-web.config.file m", &["my targets.yml"]),
        ("-interval m", &[]),
        ("m", &[]),
    ] {
        let line = format!(
            "source {}; complete -C 'tcp-echo-metrics {typed}'",
            script.display()
        );
        let mut command = Command::new("fish");
        command
            .args(["--no-config", "-c", &line])
            .current_dir(context.folder())
            .env("HOME", context.folder());
        let text = output(&mut command)?;
        let found: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        ensure!(found == completed, "fish: {typed:?} completes to {found:?}");
    }
    Ok(())
}

/// A terminal in a separate tmux server, which is killed when this is dropped.
struct Terminal(std::path::PathBuf);

impl Terminal {
    fn new(folder: &Path, command: &str) -> Result<Self> {
        let terminal = Self(folder.join("tmux"));
        let home = folder.join("home");
        fs::create_dir(&home)?;
        let command = format!("HOME='{}' TERM=screen exec {command}", home.display());
        let size = ["-d", "-x", "150", "-y", "40", "-c"];
        let folder = folder.to_str().context("path")?;
        let session = [&["new-session"], &size[..], &[folder, &command]].concat();
        terminal.tmux(&session)?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.0).args(["-f", "/dev/null"]);
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        output(command.args(arguments))
    }

    fn keys(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Waits until the last line on the screen is `line`.
    fn line(&self, line: &str) -> Result<()> {
        self.until(|screen| {
            let last = screen.lines().rfind(|line| !line.is_empty())?;
            (last.trim_end() == line).then_some(())
        })
        .with_context(|| line.to_owned())
    }

    fn until<T>(&self, poll: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut screen = String::new();
        let seen = wait::until("the screen", LIMIT, || {
            screen = self.tmux(&["capture-pane", "-p"]).ok()?;
            poll(&screen)
        });
        let (seen, _) = seen.with_context(|| format!("screen:\n{screen}"))?;
        Ok(seen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.tmux(&["kill-server"]);
    }
}
