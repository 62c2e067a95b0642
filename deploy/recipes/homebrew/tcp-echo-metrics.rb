class TcpEchoMetrics < Formula
  desc "Measure TCP latency and loss between hosts, continuously, for Prometheus"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "@REPOSITORY@/releases/download/v@VERSION@/tcp-echo-metrics-@VERSION@-macos-aarch64.tar.gz"
      sha256 "@SHA256:tcp-echo-metrics-@VERSION@-macos-aarch64.tar.gz@"
    end
    on_intel do
      url "@REPOSITORY@/releases/download/v@VERSION@/tcp-echo-metrics-@VERSION@-macos-x86_64.tar.gz"
      sha256 "@SHA256:tcp-echo-metrics-@VERSION@-macos-x86_64.tar.gz@"
    end
  end

  on_linux do
    on_arm do
      url "@REPOSITORY@/releases/download/v@VERSION@/tcp-echo-metrics-@VERSION@-linux-aarch64.tar.gz"
      sha256 "@SHA256:tcp-echo-metrics-@VERSION@-linux-aarch64.tar.gz@"
    end
    on_intel do
      url "@REPOSITORY@/releases/download/v@VERSION@/tcp-echo-metrics-@VERSION@-linux-x86_64.tar.gz"
      sha256 "@SHA256:tcp-echo-metrics-@VERSION@-linux-x86_64.tar.gz@"
    end
  end

  def install
    bin.install "tcp-echo-metrics"
    man1.install "man/tcp-echo-metrics.1"
    bash_completion.install "completions/tcp-echo-metrics.bash" => "tcp-echo-metrics"
    fish_completion.install "completions/tcp-echo-metrics.fish"
    zsh_completion.install "completions/_tcp-echo-metrics"
  end

  service do
    run [opt_bin/"tcp-echo-metrics", "-mode=both"]
    keep_alive true
    error_log_path var/"log/tcp-echo-metrics.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/tcp-echo-metrics --version")
    listen = "127.0.0.1:#{free_port}"
    flags = "-mode=both -listen=#{listen} -target=#{listen} -interval=10ms -count=10 -output=json"
    assert_match '"received":10,', shell_output("#{bin}/tcp-echo-metrics #{flags}")
  end
end
