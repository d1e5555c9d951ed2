# nix-build -E '(import <nixpkgs> { }).callPackage ./packaging/nix/package.nix { }'
{ lib, rustPlatform, installShellFiles }:
rustPlatform.buildRustPackage {
  pname = "mcp-refreshd";
  version = (lib.importTOML ../../Cargo.toml).workspace.package.version;
  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  buildAndTestSubdir = "crates/mcp-refreshd";
  # They want a home, loopback sockets and the workspace's other programs.
  doCheck = false;
  nativeBuildInputs = [ installShellFiles ];
  postInstall = ''
    installManPage packaging/man/*.1
    installShellCompletion --bash --name mcp-refreshd packaging/completions/mcp-refreshd.bash
    installShellCompletion --zsh packaging/completions/_mcp-refreshd
    installShellCompletion --fish packaging/completions/mcp-refreshd.fish
    install -Dm644 systemd/mcp-refreshd.service -t $out/lib/systemd/user
    substituteInPlace $out/lib/systemd/user/mcp-refreshd.service --replace-fail /usr/bin $out/bin
  '';
  meta = {
    description = "Keeps the OAuth tokens of Claude Code's MCP servers fresh";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "mcp-refreshd";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
