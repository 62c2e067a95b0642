//! The recipes of other package managers: filled as for a release, and read by the real tools.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tcp_echo_dashboards::{list, root, text, yaml};
use testkit::context::Context;
use testkit::shell::{cargo, output, program};

use super::artifacts::artifact;
use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "recipes: each names the archives and their checksums",
        tools: &[
            ("shellcheck", "shellcheck"),
            ("ruby", "ruby"),
            ("nix-instantiate", "nix-bin"),
        ],
        run: names_and_checksums,
        ..PLAIN
    },
    Scenario {
        name: "recipes: pacman installs the package that makepkg builds",
        tools: &[
            ("makepkg", "makepkg"),
            ("pacman", "pacman-package-manager"),
            ("bsdtar", "libarchive-tools"),
        ],
        root: true,
        run: pacman,
        ..PLAIN
    },
];

const REPOSITORY: &str = "https://github.com/someone/tcp-echo-metrics";
const FILL: &str = "deploy/recipes/fill";
/// The archives of a release, named as in docs/packages.md.
const ARCHIVES: [&str; 5] = [
    "linux-x86_64",
    "linux-aarch64",
    "macos-x86_64",
    "macos-aarch64",
    "windows-x86_64",
];
/// The user that builds: makepkg refuses root.
const NOBODY: u32 = 65534;

/// An archive of the release.
struct Archive {
    url: String,
    sha256: String,
}

fn names_and_checksums(context: &Context) -> Result<()> {
    let package = package()?;
    let version = package["version"].as_str().context("no version")?;
    let documented = text("docs/packages.md")?;
    let mut archives = Vec::new();
    let mut sums = String::new();
    for (digit, name) in ARCHIVES.iter().enumerate() {
        ensure!(
            documented.contains(&format!("`{name}`")),
            "{name} is not documented"
        );
        let kind = if name.starts_with("windows") {
            "zip"
        } else {
            "tar.gz"
        };
        let file = format!("tcp-echo-metrics-{version}-{name}.{kind}");
        let sha256 = digit.to_string().repeat(64);
        writeln!(sums, "{sha256}  {file}")?;
        let url = format!("{REPOSITORY}/releases/download/v{version}/{file}");
        archives.push(Archive { url, sha256 });
    }
    output(Command::new("shellcheck").arg(root().join(FILL)))?;
    let recipes = fill(context, &sums)?;
    let unix = &archives[..4];
    homebrew(&recipes.join("homebrew/tcp-echo-metrics.rb"), unix)?;
    nix(&recipes.join("nix/tcp-echo-metrics.nix"), unix)?;
    pkgbuild(&recipes.join("aur/PKGBUILD"), &archives[..2])?;
    winget(
        &recipes.join("winget/someone.tcp-echo-metrics"),
        version,
        &archives[4],
    )?;
    binstall(&package, version, &archives)?;
    // Without one of the archives, there is no recipe with a hole.
    let (first, _) = sums.split_once('\n').context("no archives")?;
    ensure!(fill(context, first).is_err(), "filled without checksums");
    Ok(())
}

/// Returns cargo's description of the program's package.
fn package() -> Result<Value> {
    let described = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"]);
    let described: Value = serde_json::from_str(&output(&mut { described })?)?;
    let mut packages = list(&described["packages"]);
    let found = packages.find(|package| package["name"] == "tcp-echo-metrics");
    Ok(found.context("no package")?.clone())
}

/// Fills the recipes; returns their folder.
fn fill(context: &Context, sums: &str) -> Result<PathBuf> {
    let sums = context.file("SHA256SUMS", sums)?;
    let out = context.folder().join("recipes");
    let mut fill = Command::new(root().join(FILL));
    fill.args([&sums.with_file_name(""), Path::new(REPOSITORY), &out]);
    output(&mut fill)?;
    Ok(out)
}

/// Ruby parses the formula, and each URL is followed by its checksum.
fn homebrew(formula: &Path, archives: &[Archive]) -> Result<()> {
    output(Command::new("ruby").args(["-wc"]).arg(formula))?;
    let formula = fs::read_to_string(formula)?;
    let lines: Vec<&str> = formula.lines().map(str::trim).collect();
    for Archive { url, sha256 } in archives {
        let pair = [format!("url {url:?}"), format!("sha256 {sha256:?}")];
        ensure!(
            lines.windows(2).any(|two| two == pair),
            "Homebrew: no {pair:?}"
        );
    }
    Ok(())
}

/// Nix evaluates the source of each system.
fn nix(recipe: &Path, archives: &[Archive]) -> Result<()> {
    let systems = [
        "x86_64-linux",
        "aarch64-linux",
        "x86_64-darwin",
        "aarch64-darwin",
    ];
    for (system, Archive { url, sha256 }) in systems.iter().zip(archives) {
        // What nixpkgs would pass, as far as the source depends on it.
        let source = format!(
            "((import {}) {{
               lib = {{ licenses = {{ mit = 1; asl20 = 2; }}; sourceTypes.binaryNativeCode = 3; }};
               stdenvNoCC = {{ hostPlatform.system = \"{system}\"; mkDerivation = all: all; }};
               fetchurl = source: source;
               installShellFiles = null;
             }}).src",
            recipe.display()
        );
        let mut evaluate = Command::new("nix-instantiate");
        evaluate.args([
            "--eval", "--strict", "--json", "--store", "dummy://", "--expr",
        ]);
        let found: Value = serde_json::from_str(&output(evaluate.arg(source))?)?;
        ensure!(
            found["url"] == **url && found["sha256"] == **sha256,
            "Nix: {found}"
        );
    }
    Ok(())
}

/// bash and shellcheck parse the recipe, and sources and checksums are in the same order.
fn pkgbuild(recipe: &Path, archives: &[Archive]) -> Result<()> {
    let mut lint = Command::new("shellcheck");
    // makepkg reads the variables, sets others, and ends at a failed command.
    lint.args(["--shell=bash", "--exclude=SC2034,SC2154,SC2164"]);
    output(lint.arg(recipe))?;
    let print = "source \"$1\"; for machine in x86_64 aarch64; do \
                 declare -n source=source_$machine sums=sha256sums_$machine; \
                 echo \"${source[*]} ${sums[*]}\"; done";
    let found = output(
        Command::new("bash")
            .args(["-ec", print, "bash"])
            .arg(recipe),
    )?;
    let lines = archives
        .iter()
        .map(|one| format!("{} {}\n", one.url, one.sha256));
    let expected: String = lines.collect();
    ensure!(found == expected, "PKGBUILD: {found}");
    Ok(())
}

/// The three manifests have the keys that winget requires.
fn winget(stem: &Path, version: &str, archive: &Archive) -> Result<()> {
    let file = |ending: &str| PathBuf::from(format!("{}{ending}", stem.display()));
    let kinds = [
        (".yaml", "version", &["DefaultLocale"][..]),
        (
            ".installer.yaml",
            "installer",
            &["InstallerType", "Installers"],
        ),
        (
            ".locale.en-US.yaml",
            "defaultLocale",
            &[
                "PackageLocale",
                "Publisher",
                "PackageName",
                "License",
                "ShortDescription",
            ],
        ),
    ];
    for (ending, kind, required) in kinds {
        let manifest = &yaml(vec![file(ending)])?[0];
        ensure!(
            manifest["PackageIdentifier"] == "someone.tcp-echo-metrics",
            "{manifest}"
        );
        ensure!(manifest["PackageVersion"] == version, "{manifest}");
        ensure!(manifest["ManifestType"] == kind, "{manifest}");
        for key in required {
            ensure!(!manifest[key].is_null(), "{kind}: no {key}");
        }
    }
    let manifest = &yaml(vec![file(".installer.yaml")])?[0];
    let installer = &manifest["Installers"][0];
    ensure!(installer["InstallerUrl"] == *archive.url, "{installer}");
    ensure!(
        installer["InstallerSha256"] == *archive.sha256,
        "{installer}"
    );
    let nested = manifest["NestedInstallerFiles"][0]["RelativeFilePath"].as_str();
    let expected = archive
        .url
        .rsplit('/')
        .next()
        .and_then(|file| file.strip_suffix(".zip"));
    let expected = expected.map(|folder| format!("{folder}\\tcp-echo-metrics.exe"));
    ensure!(
        nested == expected.as_deref(),
        "{nested:?} is not {expected:?}"
    );
    Ok(())
}

/// The templates of cargo-binstall lead to the archives.
fn binstall(package: &Value, version: &str, archives: &[Archive]) -> Result<()> {
    let overrides = &package["metadata"]["binstall"]["overrides"];
    let overrides = overrides
        .as_object()
        .context("no metadata of cargo-binstall")?;
    let expand = |template: &Value| {
        template
            .as_str()
            .unwrap_or_default()
            .replace("{ repo }", REPOSITORY)
            .replace("{ version }", version)
            .replace("{ name }", "tcp-echo-metrics")
            .replace("{ bin }", "tcp-echo-metrics")
    };
    for Archive { url, .. } in archives {
        let of_url = |one: &&Value| expand(&one["pkg-url"]) == *url;
        let found = overrides
            .values()
            .find(of_url)
            .with_context(|| format!("no {url}"))?;
        let is_zip = url.contains("windows");
        ensure!((found["pkg-fmt"] == "zip") == is_zip, "{found}");
        let binary = expand(&found["bin-dir"]);
        let folder = binary.split('/').next().unwrap_or_default();
        ensure!(
            url.contains(&format!("/{folder}.")),
            "{binary} is not in {url}"
        );
    }
    ensure!(overrides.len() == archives.len(), "{overrides:?}");
    Ok(())
}

/// Builds the package of Arch from the archive of `cargo xtask dist`, and installs it.
fn pacman(context: &Context) -> Result<()> {
    let archive = artifact("linux-x86_64.tar.gz")?;
    let sum = output(Command::new("sha256sum").arg(&archive))?;
    let sum = sum.split(' ').next().unwrap_or_default();
    let name = archive.file_name().context("no name")?.to_string_lossy();
    let other = name.replace("x86_64", "aarch64");
    let mac = name.replace("linux", "macos");
    let mac_arm = other.replace("linux", "macos");
    let windows = name.replace("linux", "windows").replace(".tar.gz", ".zip");
    let files = [&*name, &other, &mac, &mac_arm, &windows];
    let sums = fill(
        context,
        &files.map(|file| format!("{sum}  {file}\n")).concat(),
    )?;
    let folder = sums.join("aur");
    fs::copy(&archive, folder.join(&*name))?;
    // The test's folder belongs to root alone.
    fs::set_permissions(context.folder(), fs::Permissions::from_mode(0o755))?;
    chown(&folder, Some(NOBODY), Some(NOBODY))?;
    let makepkg = |arguments: &[&str]| {
        let mut command = Command::new("makepkg");
        command
            .args(arguments)
            .current_dir(&folder)
            .env("HOME", &folder);
        output(command.uid(NOBODY).gid(NOBODY).env("PKGEXT", ".pkg.tar"))
    };
    let source = makepkg(&["--printsrcinfo"])?;
    ensure!(
        source.contains("pkgname = tcp-echo-metrics-bin"),
        "{source}"
    );
    makepkg(&["--nodeps", "--noconfirm"])?;
    let built = fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
    let mut built = built.filter(|path| path.extension().is_some_and(|ending| ending == "tar"));
    let built = built.next().context("makepkg built nothing")?;
    let system = context.folder().join("system");
    fs::create_dir_all(system.join("var/lib/pacman"))?;
    let mut install = program("pacman", &["--noconfirm", "--noscriptlet", "--root"]);
    output(install.arg(&system).arg("--upgrade").arg(built))?;
    let version = output(Command::new(system.join("usr/bin/tcp-echo-metrics")).arg("--version"))?;
    context.note(format!(
        "installed by pacman: {}",
        version.lines().next().unwrap_or_default()
    ));
    for file in [
        "usr/share/man/man1/tcp-echo-metrics.1.gz",
        "usr/share/bash-completion/completions/tcp-echo-metrics",
        "usr/share/licenses/tcp-echo-metrics-bin/LICENSE-MIT",
    ] {
        ensure!(system.join(file).is_file(), "pacman did not install {file}");
    }
    Ok(())
}
