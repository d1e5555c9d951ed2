# imports = [ ./mcp-refreshd/packaging/nix/home-manager.nix ];
# services.mcp-refreshd.enable = true;
{ config, lib, pkgs, ... }:
let
  cfg = config.services.mcp-refreshd;
  toml = pkgs.formats.toml { };
  unit = "${cfg.package}/lib/systemd/user/mcp-refreshd.service";
in
{
  options.services.mcp-refreshd = {
    enable = lib.mkEnableOption "the agent that keeps the OAuth tokens of Claude Code's MCP servers fresh";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      description = "The package to use.";
    };
    settings = lib.mkOption {
      type = toml.type;
      default = { };
      example = { stores = [ "~/.claude" "~/.claude-work" ]; };
      description = "The configuration. Everybody can read it in the Nix store: no proxy password here.";
    };
  };

  config = lib.mkIf cfg.enable {
    home.packages = [ cfg.package ];
    xdg.configFile = {
      "systemd/user/mcp-refreshd.service".source = unit;
      "systemd/user/default.target.wants/mcp-refreshd.service".source = unit;
    } // lib.optionalAttrs (cfg.settings != { }) {
      "mcp-refreshd/config.toml".source = toml.generate "mcp-refreshd.toml" cfg.settings;
    };
  };
}
