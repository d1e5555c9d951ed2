#!/usr/bin/env ruby
# Checks the winget and scoop manifests: what their schemas require is there, nothing is left to fill in, and they are about this zip.
#
#   packaging/manifests-test.rb FOLDER VERSION ZIP UNPACKED
require "digest"
require "json"
require "yaml"

folder, version, zip, unpacked = ARGV
hash = Digest::SHA256.file(zip).hexdigest
archive = File.basename(zip)
$failed = false
def check(holds, what)
  return if holds

  warn "FAILED: #{what}"
  $failed = true
end

# The members that https://aka.ms/winget-manifest.*.1.12.0.schema.json require, and what they must look like.
IDENTIFIER = "mcp-refreshd.mcp-refreshd"
required = {
  "" => ["version", %w[DefaultLocale]],
  ".installer" => ["installer", %w[Installers]],
  ".locale.en-US" => ["defaultLocale", %w[PackageLocale Publisher PackageName License ShortDescription]]
}
manifests = required.to_h do |suffix, (type, members)|
  path = File.join(folder, "#{IDENTIFIER}#{suffix}.yaml")
  text = File.read(path)
  check(!text.match?(/@[A-Z0-9_]+@/), "a placeholder is left in #{path}")
  manifest = YAML.safe_load(text)
  (members + %w[PackageIdentifier PackageVersion ManifestType ManifestVersion]).each do |member|
    check(manifest[member].to_s != "", "no #{member} in #{path}")
  end
  check(manifest["PackageIdentifier"] == IDENTIFIER && manifest["PackageVersion"] == version, "another package in #{path}")
  check(manifest["ManifestType"] == type && manifest["ManifestVersion"] == "1.12.0", "another type or version in #{path}")
  check(text.include?("winget-manifest.#{type}.1.12.0.schema.json"), "another schema in #{path}")
  [type, manifest]
end

installer = manifests["installer"]
check(installer["InstallerType"] == "zip" && installer["NestedInstallerType"] == "portable", "the installer is no portable program in a zip")
nested = installer["NestedInstallerFiles"]
# The second starts the first, and looks for it beside itself.
check(nested.map { |file| file["PortableCommandAlias"] } == %w[mcp-refreshd mcp-refreshdw], "not the two programs")
nested.each do |file|
  inside = file["RelativeFilePath"].split("\\")
  check(File.file?(File.join(unpacked, "..", *inside)), "#{inside.join("/")} is not in the zip")
end
one = installer["Installers"]
check(one.length == 1 && one[0]["Architecture"] == "x64", "not one installer for x64")
check(one[0]["InstallerSha256"] == hash.upcase, "winget's hash is not that of #{archive}")
check(one[0]["InstallerUrl"].match?(%r{\Ahttps://.*/#{Regexp.escape(archive)}\z}), "winget's URL is not that of #{archive}")
check(manifests["defaultLocale"]["ShortDescription"].length.between?(3, 256), "the description is too long")

path = File.join(folder, "mcp-refreshd.json")
text = File.read(path)
check(!text.match?(/@[A-Z0-9_]+@/), "a placeholder is left in #{path}")
scoop = JSON.parse(text)
%w[version homepage license].each { |member| check(scoop[member].to_s != "", "no #{member} in #{path}") }
x64 = scoop.fetch("architecture").fetch("64bit")
check(scoop["version"] == version && x64["hash"] == hash, "scoop's version or hash is not that of #{archive}")
check(x64["url"] == one[0]["InstallerUrl"], "scoop and winget name different archives")
check(File.file?(File.join(unpacked, "..", x64["extract_dir"], scoop["bin"])), "#{scoop["bin"]} is not in the zip")
exit($failed ? 1 : 0)
