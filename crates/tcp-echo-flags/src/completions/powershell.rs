//! Completions for `PowerShell`, 5.1 and later.

use super::{Flag, Value, quoted};

const HEAD: &str = r"# Completions of NAME for PowerShell.

Register-ArgumentCompleter -Native -CommandName 'NAME' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The name of each flag, its help, and whether its value is the next word: one of these
    # words, or any.
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
    # PowerShell splits a word with one dash at a dot.
    $one = $wordToComplete -match '^-[^-]'
    $flags | ForEach-Object {
        $dashes = if ($one -and -not $_.Name.Contains('.')) { '-' } else { '--' }
        $text = "$dashes$($_.Name)"
        if ($text -like "$wordToComplete*") { Complete $text 'ParameterName' $_.Help }
    }
}
"#;

/// `NAME` of the constant is that of the program.
pub(super) fn script(name: &str, flags: &[Flag]) -> String {
    let head = HEAD.replace("NAME", name);
    let lines: String = flags.iter().map(line).collect();
    format!("{head}{lines}{TAIL}")
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
