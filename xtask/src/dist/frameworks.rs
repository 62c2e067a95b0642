//! What a linker must know of macOS beyond its C library, which zig knows: the names in
//! two frameworks. So a Mac's development kit is not needed.
//!
//! The names are those that the look-up of names uses, to learn the system's name
//! servers. Should it use another, the linker says which: it belongs in here.

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

/// Writes them down in `folder`, as linkers read them.
pub(super) fn write(folder: &Path) -> Result<()> {
    for (name, symbols) in FRAMEWORKS {
        let framework = folder.join(format!("{name}.framework"));
        fs::create_dir_all(&framework)?;
        fs::write(framework.join(format!("{name}.tbd")), stub(name, symbols))?;
    }
    Ok(())
}

/// A text-based stub, as `tapi` of LLVM defines it, of version 4.
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
    fn a_stub_has_the_names_as_a_linker_sees_them() {
        let stub = stub("Kit", &["one", "two"]);
        assert!(
            stub.contains("Frameworks/Kit.framework/Versions/A/Kit'"),
            "{stub}"
        );
        assert!(stub.contains("\n    symbols: [ _one, _two ]\n"), "{stub}");
    }
}
