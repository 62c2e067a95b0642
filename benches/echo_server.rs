//! Runs the echo server on a thread without a runtime, as the program does.

use std::time::Duration;

use clap::Parser;
use tcp_echo_server::{Address, Server, ServerConfig};

/// The echo server without connection limits, for measurements.
#[derive(Parser)]
struct Args {
    /// Address to listen on; it is printed.
    #[arg(default_value = "127.0.0.1:0")]
    listen: Address,
    /// Seconds after which an idle connection is closed; 0 disables the timeout.
    #[arg(long, default_value_t = 300)]
    idle_timeout: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut config = ServerConfig::default();
    config.max_connections = None;
    config.max_connections_per_ip = None;
    config.idle_timeout = Some(Duration::from_secs(args.idle_timeout));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let server = runtime.block_on(Server::bind(&args.listen, config))?;
    drop(runtime);
    println!("listening on {}", server.local_addr());
    Ok(server.run_blocking()?)
}
