//! Completions for bash, 4 and later.

use super::{Flag, Value};

const HEAD: &str = r"# Completions of tcp-echo-metrics for bash.
# shellcheck disable=SC2207 # Not every bash has mapfile, and no word has a space.

_tcp_echo_metrics() {
    local word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}
    local cur=$2 equals='' prefix='' words='' name=''
    COMPREPLY=()
    compopt +o default 2> /dev/null
    # Bash parts words at = and :, so that -mode=both is three of them.
    if [[ $word == : || $flag == : ]]; then
        return
    elif [[ $word == = ]]; then
        cur='' equals='='
    elif [[ $flag == = ]]; then
        flag=${COMP_WORDS[COMP_CWORD-2]} equals='='
    elif [[ $cur == -*=* ]]; then
        # Some have taken = from COMP_WORDBREAKS.
        flag=${cur%%=*} prefix=$flag= cur=${cur#*=} equals='='
    fi
    if [[ $flag == -?* ]]; then
        name=${flag#-} name=${name#-}
    fi
    case $name$equals in
";

const TAIL: &str = r#"    esac
    COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur"))
}

complete -o default -F _tcp_echo_metrics tcp-echo-metrics
"#;

const FILE: &str = r#"            if [[ $prefix ]]; then
                local IFS=$'\n'
                COMPREPLY=($(compgen -P "$prefix" -f -- "$cur"))
            else
                # Bash's own names of files, which know ~ and quotes.
                compopt -o default 2> /dev/null
            fi
            return
"#;

pub(super) fn script(flags: &[Flag]) -> String {
    let values: String = flags.iter().filter_map(value).collect();
    // What no value follows, or nothing at all.
    let mut alone = vec!["''".to_owned()];
    let mut shorts = Vec::new();
    for flag in flags {
        if matches!(flag.value, Value::None | Value::Optional(_)) {
            alone.extend(flag.short.map(String::from));
            alone.push(flag.long.clone());
        }
        shorts.extend(flag.short.map(|short| format!("-{short}")));
    }
    let spelled = |dashes: &str| {
        let long = flags.iter().map(|flag| format!("{dashes}{}", flag.long));
        let words: Vec<String> = shorts.iter().cloned().chain(long).collect();
        words.join(" ")
    };
    format!(
        "{HEAD}{values}        {})
            words='{}'
            # With one dash, as it was begun.
            [[ $cur == -[!-]* ]] && words='{}'
            ;;
{TAIL}",
        alone.join(" | "),
        spelled("--"),
        spelled("-"),
    )
}

/// The case of a flag that has values to offer.
fn value(flag: &Flag) -> Option<String> {
    let names = names(flag);
    let words = flag.words().join(" ");
    if matches!(flag.value, Value::File) {
        Some(format!("        {names})\n{FILE}            ;;\n"))
    } else {
        (!words.is_empty()).then(|| format!("        {names}) words='{words}' ;;\n"))
    }
}

/// What stands before a value: the name, with `=` where it has to be.
fn names(flag: &Flag) -> String {
    let long = &flag.long;
    match (&flag.value, flag.short) {
        (Value::Optional(_), Some(short)) => format!("{short}= | {long}="),
        (Value::Optional(_), None) => format!("{long}="),
        _ => format!("{long} | {long}="),
    }
}
