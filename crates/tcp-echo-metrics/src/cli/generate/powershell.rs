//! Completions for `PowerShell`, 5.1 and later.

use super::{Flag, Value, quoted};

const HEAD: &str = r"# Completions of tcp-echo-metrics for PowerShell.

Register-ArgumentCompleter -Native -CommandName 'tcp-echo-metrics' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The name of each flag, what it is for, and whether it takes the next word: as one
    # of these, or as anything.
    $flags = @(
";

const TAIL: &str = r#"    )

    function Complete($text, $kind, $help) {
        [System.Management.Automation.CompletionResult]::new($text, $text, $kind, $help)
    }

    $before = $commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Last 1
    if ($before -and $before.Extent.Text -match '^--?([^-=][^=]*)$') {
        $name = $Matches[1]
        $flag = $flags | Where-Object { $_.Name -ceq $name -and $_.TakesNext }
        if ($flag) {
            $flag.Words | Where-Object { $_ -like "$wordToComplete*" } |
                ForEach-Object { Complete $_ 'ParameterValue' $_ }
            return
        }
    }
    # PowerShell parts a word behind one dash at a dot.
    $one = $wordToComplete -match '^-[^-]'
    $flags | ForEach-Object {
        $dashes = if ($one -and -not $_.Name.Contains('.')) { '-' } else { '--' }
        $text = "$dashes$($_.Name)"
        if ($text -like "$wordToComplete*") { Complete $text 'ParameterName' $_.Help }
    }
}
"#;

pub(super) fn script(flags: &[Flag]) -> String {
    let lines: String = flags.iter().map(line).collect();
    format!("{HEAD}{lines}{TAIL}")
}

fn line(flag: &Flag) -> String {
    let takes_next = match flag.value {
        Value::None | Value::Optional(_) => "$false",
        Value::File | Value::Text { .. } => "$true",
    };
    let words: Vec<String> = flag.words().iter().map(|word| quoted(word, "''")).collect();
    format!(
        "        @{{ Name = {}; TakesNext = {takes_next}; Words = @({}); Help = {} }}\n",
        quoted(&flag.long, "''"),
        words.join(", "),
        quoted(&flag.help, "''")
    )
}
