//! How a program begins that is for Linux alone.

/// A `main` that is the one of the module `linux`, and elsewhere says why there is none.
macro_rules! linux_only {
    ($why:literal) => {
        #[cfg(target_os = "linux")]
        fn main() -> Result<(), Box<dyn std::error::Error>> {
            linux::main()
        }

        #[cfg(not(target_os = "linux"))]
        fn main() {
            eprintln!(concat!($why, ": Linux only"));
            std::process::exit(2);
        }
    };
}
