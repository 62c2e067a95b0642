//! Linker stubs of two macOS frameworks, which zig does not include, so that no macOS SDK is needed.
//!
//! The symbols are those used by DNS lookups to read the system's nameservers. If another one is used,
//! the linker reports it as undefined, and it must be added here.

use std::fs;
use std::path::Path;

use anyhow::Result;

const FRAMEWORKS: [(&str, &[&str]); 2] = [
    (
        "CoreFoundation",
        &[
            "CFArrayCreate",
            "CFArrayGetCount",
            "CFArrayGetTypeID",
            "CFArrayGetValueAtIndex",
            "CFBooleanGetTypeID",
            "CFCopyDescription",
            "CFDictionaryCreate",
            "CFDictionaryGetCount",
            "CFDictionaryGetTypeID",
            "CFDictionaryGetValueIfPresent",
            "CFEqual",
            "CFGetRetainCount",
            "CFGetTypeID",
            "CFRelease",
            "CFRetain",
            "CFShow",
            "CFStringCreateWithBytes",
            "CFStringCreateWithBytesNoCopy",
            "CFStringGetBytes",
            "CFStringGetCStringPtr",
            "CFStringGetLength",
            "CFStringGetTypeID",
            "kCFAllocatorDefault",
            "kCFAllocatorNull",
            "kCFBooleanFalse",
            "kCFBooleanTrue",
            "kCFTypeArrayCallBacks",
            "kCFTypeDictionaryKeyCallBacks",
            "kCFTypeDictionaryValueCallBacks",
        ],
    ),
    (
        "SystemConfiguration",
        &[
            "SCDynamicStoreCopyValue",
            "SCDynamicStoreCreateWithOptions",
            "SCDynamicStoreGetTypeID",
            "kSCDynamicStoreUseSessionKeys",
        ],
    ),
];

/// Writes the stubs to `folder`.
pub(super) fn write(folder: &Path) -> Result<()> {
    for (name, symbols) in FRAMEWORKS {
        let framework = folder.join(format!("{name}.framework"));
        fs::create_dir_all(&framework)?;
        fs::write(framework.join(format!("{name}.tbd")), stub(name, symbols))?;
    }
    Ok(())
}

/// Returns a text-based stub (LLVM's TBD format, version 4).
fn stub(name: &str, symbols: &[&str]) -> String {
    let symbols: Vec<_> = symbols.iter().map(|symbol| format!("_{symbol}")).collect();
    format!(
        "--- !tapi-tbd\n\
         tbd-version: 4\n\
         targets: [ x86_64-macos, arm64-macos ]\n\
         install-name: '/System/Library/Frameworks/{name}.framework/Versions/A/{name}'\n\
         exports:\n\
         \x20 - targets: [ x86_64-macos, arm64-macos ]\n\
         \x20   symbols: [ {} ]\n\
         ...\n",
        symbols.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_has_the_linker_names_of_symbols() {
        let stub = stub("Kit", &["one", "two"]);
        assert!(
            stub.contains("Frameworks/Kit.framework/Versions/A/Kit'"),
            "{stub}"
        );
        assert!(stub.contains("\n    symbols: [ _one, _two ]\n"), "{stub}");
    }
}
