# Homebrew cask
cask "opencode-tray" do
  arch arm: "arm64", intel: "x86_64"

  version "$version"
  sha256 arm:   "$macos_arm64",
         intel: "$macos_x86_64"

  url "$download/opencode-tray-#{version}-macos-#{arch}.zip"
  name "OpenCode Tray"
  desc "Menu bar app that shows which coding agents wait for you"
  homepage "$home"

  depends_on macos: ">= :ventura"

  app "OpenCode Tray.app"
  binary "#{appdir}/OpenCode Tray.app/Contents/MacOS/opencode-tray"

  uninstall quit: "org.opencode-tray"

  zap trash: [
    "~/Library/Application Support/opencode-tray",
    "~/Library/LaunchAgents/opencode-tray.plist",
    "~/Library/Logs/opencode-tray",
  ]
end
