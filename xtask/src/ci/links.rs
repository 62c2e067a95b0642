//! Links in Markdown lead somewhere.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::files::texts;
use crate::shell::root;

/// Links to files of the repository, and to headings. Those to the outside are
/// not followed: no check may depend on other people's hosts.
pub(super) fn resolve() -> Result<()> {
    let mut broken = Vec::new();
    for (file, text) in texts("md")? {
        let folder = root().join(file.parent().unwrap_or(Path::new("")));
        for link in links(&text)
            .into_iter()
            .filter(|link| !link.contains("://"))
        {
            if !link.starts_with("mailto:") && !resolves(&folder, &text, &link) {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    Ok(())
}

fn resolves(folder: &Path, own_text: &str, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = folder.join(path);
    if !path.is_empty() && !target.exists() {
        return false;
    }
    if heading.is_empty() || (!path.is_empty() && target.extension() != Some("md".as_ref())) {
        return true;
    }
    let other = if path.is_empty() {
        None
    } else {
        fs::read_to_string(&target).ok()
    };
    headings(other.as_deref().unwrap_or(own_text)).any(|name| name == heading)
}

/// Targets of `[text](target)`, `[name]: target` and pictures in HTML, outside code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        let line = without_code(line);
        for part in line.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            links.push(target.trim_matches(['<', '>']).to_owned());
        }
        for part in [" src=\"", " srcset=\""]
            .iter()
            .flat_map(|at| line.split(at).skip(1))
        {
            links.push(part.split('"').next().unwrap_or_default().to_owned());
        }
        if let Some((_, target)) = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("]: "))
        {
            let target = target.split(' ').next().unwrap_or_default();
            links.push(target.trim_matches(['<', '>']).to_owned());
        }
    }
    links
}

/// Lines outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The anchors that GitHub gives to headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text)
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::{headings, links, resolves};
    use std::path::Path;

    #[test]
    fn links_outside_code_are_found() {
        let text = "\
            See [one](a.md) and [two](b.md#part \"title\"), not `[x](no)`.\n\
            ```\n[x](no)\n```\n\
            [three]: <c.md>\n\
            <source srcset=\"d.png\"><img alt=\"src\" src=\"e.png\">\n";
        assert_eq!(links(text), ["a.md", "b.md#part", "c.md", "e.png", "d.png"]);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# A & b: `c_d`\n## Two words\n```\n# none\n```";
        assert_eq!(
            headings(text).collect::<Vec<_>>(),
            ["a--b-c_d", "two-words"]
        );
    }

    #[test]
    fn files_and_headings_resolve() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(resolves(folder, "", "Cargo.toml"));
        assert!(!resolves(folder, "", "no-such-file"));
        assert!(resolves(folder, "## Here", "#here"));
        assert!(!resolves(folder, "## Here", "#there"));
    }
}
