# pkgs.callPackage ./tcp-echo-metrics.nix { }
{
  lib,
  stdenvNoCC,
  fetchurl,
  installShellFiles,
}:

let
  version = "@VERSION@";
  archives = {
    x86_64-linux = {
      name = "linux-x86_64";
      sha256 = "@SHA256:tcp-echo-metrics-@VERSION@-linux-x86_64.tar.gz@";
    };
    aarch64-linux = {
      name = "linux-aarch64";
      sha256 = "@SHA256:tcp-echo-metrics-@VERSION@-linux-aarch64.tar.gz@";
    };
    x86_64-darwin = {
      name = "macos-x86_64";
      sha256 = "@SHA256:tcp-echo-metrics-@VERSION@-macos-x86_64.tar.gz@";
    };
    aarch64-darwin = {
      name = "macos-aarch64";
      sha256 = "@SHA256:tcp-echo-metrics-@VERSION@-macos-aarch64.tar.gz@";
    };
  };
  inherit (stdenvNoCC.hostPlatform) system;
  archive = archives.${system} or (throw "tcp-echo-metrics has no archive for ${system}");
in
stdenvNoCC.mkDerivation {
  pname = "tcp-echo-metrics";
  inherit version;

  src = fetchurl {
    url = "@REPOSITORY@/releases/download/v${version}/tcp-echo-metrics-${version}-${archive.name}.tar.gz";
    inherit (archive) sha256;
  };

  nativeBuildInputs = [ installShellFiles ];
  dontStrip = true;

  installPhase = ''
    runHook preInstall
    install -Dm755 -t $out/bin tcp-echo-metrics
    installManPage man/tcp-echo-metrics.1
    installShellCompletion --cmd tcp-echo-metrics \
      --bash completions/tcp-echo-metrics.bash \
      --fish completions/tcp-echo-metrics.fish \
      --zsh completions/_tcp-echo-metrics
    runHook postInstall
  '';

  meta = {
    description = "Measure TCP latency and loss between hosts, continuously, for Prometheus";
    homepage = "@REPOSITORY@";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "tcp-echo-metrics";
    platforms = builtins.attrNames archives;
    sourceProvenance = [ lib.sourceTypes.binaryNativeCode ];
  };
}
