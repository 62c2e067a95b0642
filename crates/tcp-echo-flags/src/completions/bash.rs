//! Completions for bash, 4 and later.

use super::{Flag, Value};

const HEAD: &str = r"# Completions of NAME for bash.
# shellcheck disable=SC2207 # Not every bash has mapfile, and no word has a space.

FUNCTION() {
    local word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}
    local cur=$2 equals='' prefix='' words='' name=''
    COMPREPLY=()
    compopt +o default 2> /dev/null
    # Bash splits words at = and :, so -mode=both is three of them.
    if [[ $word == : || $flag == : ]]; then
        return
    elif [[ $word == = ]]; then
        cur='' equals='='
    elif [[ $flag == = ]]; then
        flag=${COMP_WORDS[COMP_CWORD-2]} equals='='
    elif [[ $cur == -*=* ]]; then
        # Some remove = from COMP_WORDBREAKS.
        flag=${cur%%=*} prefix=$flag= cur=${cur#*=} equals='='
    fi
    if [[ $flag == -?* ]]; then
        name=${flag#-} name=${name#-}
    fi
    case $name$equals in
";

const TAIL: &str = r#"    esac
    COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur"))
HOSTS}

complete -o default -F FUNCTION NAME
"#;

/// The names of hosts, where no flag is typed.
const HOSTS: &str = r#"    if [[ $cur == [!-]* && $name$equals == '' ]]; then
        COMPREPLY+=($(compgen -A hostname -- "$cur"))
    fi
"#;

const FILE: &str = r#"            if [[ $prefix ]]; then
                local IFS=$'\n'
                COMPREPLY=($(compgen -P "$prefix" -f -- "$cur"))
            else
                # The file names of bash, which handle ~ and quotes.
                compopt -o default 2> /dev/null
            fi
            return
"#;

/// `NAME` and `FUNCTION` of the constants are those of the program.
pub(super) fn script(name: &str, flags: &[Flag], takes_hosts: bool) -> String {
    let function = format!("_{}", name.replace(['-', '.'], "_"));
    let head = HEAD.replace("NAME", name).replace("FUNCTION", &function);
    let tail = TAIL.replace("NAME", name).replace("FUNCTION", &function);
    let tail = tail.replace("HOSTS", if takes_hosts { HOSTS } else { "" });
    let values: String = flags.iter().filter_map(value).collect();
    // Flags without a value, and no flag at all.
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
        "{head}{values}        {})
            words='{}'
            # With one dash, as typed.
            [[ $cur == -[!-]* ]] && words='{}'
            ;;
{tail}",
        alone.join(" | "),
        spelled("--"),
        spelled("-"),
    )
}

/// The case of a flag with values to complete.
fn value(flag: &Flag) -> Option<String> {
    let names = names(flag);
    let words = flag.words().join(" ");
    if matches!(flag.value, Value::File) {
        Some(format!("        {names})\n{FILE}            ;;\n"))
    } else {
        (!words.is_empty()).then(|| format!("        {names}) words='{words}' ;;\n"))
    }
}

/// The pattern before a value: the name, with `=` where it is required.
fn names(flag: &Flag) -> String {
    let long = &flag.long;
    match (&flag.value, flag.short) {
        (Value::Optional(_), Some(short)) => format!("{short}= | {long}="),
        (Value::Optional(_), None) => format!("{long}="),
        _ => format!("{long} | {long}="),
    }
}
