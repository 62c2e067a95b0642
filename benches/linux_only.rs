//! The main function of Linux-only programs.

/// Defines a `main` that calls the one in the module `linux`, or prints why the program is Linux-only.
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
