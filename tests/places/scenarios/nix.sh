#!/bin/bash
# packaging/nix is Nix, and home-manager gets from it what it links: the unit, its link in default.target.wants, the configuration. Of nixpkgs
# it needs only the functions that stand here in its place; nothing is built.
# shellcheck source-path=SCRIPTDIR source=../stage.sh
. "$SCENE/stage.sh"

nix-instantiate --parse "$WORKSPACE/packaging/nix/package.nix" >/dev/null || fail "package.nix"
cat >eval.nix <<NIX
let
  lib = {
    mkIf = condition: value: if condition then value else { };
    mkOption = option: option;
    mkEnableOption = text: { default = false; description = text; };
    optionalAttrs = condition: value: if condition then value else { };
    types.package = "package";
  };
  pkgs = {
    callPackage = path: _: "/nix/store/made-up";
    formats.toml = _: { type = "toml"; generate = name: value: "/nix/store/\${name}: \${builtins.toJSON value}"; };
  };
  module = config: import $WORKSPACE/packaging/nix/home-manager.nix { inherit lib pkgs; config.services.mcp-refreshd = config; };
  package = (module { enable = false; }).options.services.mcp-refreshd.package.default;
in
{
  off = (module { enable = false; inherit package; settings = { }; }).config;
  on = (module { enable = true; inherit package; settings = { }; }).config;
  set = (module { enable = true; inherit package; settings.keep_alive = "5d"; }).config.xdg.configFile."mcp-refreshd/config.toml".source;
}
NIX
seen=$(nix-instantiate --eval --strict --json --readonly-mode eval.nix) || fail "home-manager.nix"
echo "$seen"
unit=/nix/store/made-up/lib/systemd/user/mcp-refreshd.service
expect "nothing is off" says '"off":{}' "$seen"
expect "the program is not installed" says '"home":{"packages":["/nix/store/made-up"]}' "$seen"
expect "no unit" says "\"systemd/user/mcp-refreshd.service\":{\"source\":\"$unit\"}" "$seen"
expect "it does not start by itself" says "\"systemd/user/default.target.wants/mcp-refreshd.service\":{\"source\":\"$unit\"}" "$seen"
expect "no configuration" says 'mcp-refreshd.toml: {\"keep_alive\":\"5d\"}' "$seen"
