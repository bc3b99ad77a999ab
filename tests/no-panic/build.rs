//! The program has a start of its own, on the host too: without the C library's
//! start-up files, but with its `memcpy`.
//!
//! `LINK_ANYWAY` makes a program of it that has panics, to find where they are.

fn main() {
    println!("cargo::rerun-if-env-changed=LINK_ANYWAY");
    let anyway = std::env::var_os("LINK_ANYWAY").is_some();
    let arguments: &[&str] = match (std::env::var("CARGO_CFG_TARGET_OS").as_deref(), anyway) {
        (Ok("none"), false) => &[],
        (Ok("none"), true) => &["--unresolved-symbols=ignore-all"],
        (_, false) => &["-nostartfiles", "-lc"],
        (_, true) => &["-nostartfiles", "-lc", "-Wl,--unresolved-symbols=ignore-all"],
    };
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
