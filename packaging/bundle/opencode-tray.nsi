; The setup program for Windows: it installs the bundle for this user, without administrator rights.
; Built by packaging/build_setup.py, which defines VERSION, NUMBER (of four parts), BUNDLE (folder), ICON, LICENSE and OUTPUT (files).
; `/S` installs and uninstalls without windows; exit code 2 if files of the program stay in use.

Target amd64-unicode
SetCompressor /SOLID lzma
!include MUI2.nsh
!include LogicLib.nsh

!define NAME "OpenCode Tray"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\opencode-tray"
!define MAX_TRIES 40 ; each after 250 ms: a tray that was stopped saves its files, and then its libraries are free

Name "${NAME}"
OutFile "${OUTPUT}"
RequestExecutionLevel user
InstallDir "$LOCALAPPDATA\Programs\opencode-tray"
InstallDirRegKey HKCU "${UNINSTALL}" "InstallLocation"
VIProductVersion "${NUMBER}"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "Setup of ${NAME}"
VIAddVersionKey "LegalCopyright" "MIT License"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN "$INSTDIR\opencode-trayw.exe"
!define MUI_FINISHPAGE_RUN_PARAMETERS "run"
!define MUI_FINISHPAGE_RUN_TEXT "Start ${NAME}"
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

; Stop a running tray, and delete the files of the bundle, which are in use until it has ended.
!macro DeleteBundle
  ${If} ${FileExists} "$INSTDIR\opencode-tray.exe"
    nsExec::Exec '"$INSTDIR\opencode-tray.exe" stop'
    Pop $0
  ${EndIf}
  StrCpy $1 0
  ${Do}
    RMDir /r "$INSTDIR\_internal"
    Delete "$INSTDIR\opencode-tray.exe"
    Delete "$INSTDIR\opencode-trayw.exe"
    ${IfNot} ${FileExists} "$INSTDIR\_internal\*.*"
    ${AndIfNot} ${FileExists} "$INSTDIR\opencode-tray.exe"
    ${AndIfNot} ${FileExists} "$INSTDIR\opencode-trayw.exe"
      ${ExitDo}
    ${EndIf}
    IntOp $1 $1 + 1
    ${If} $1 > ${MAX_TRIES}
      DetailPrint "Files in $INSTDIR are in use: quit ${NAME}, and try again."
      SetErrorLevel 2
      Abort
    ${EndIf}
    Sleep 250
  ${Loop}
!macroend

Section
  !insertmacro DeleteBundle
  SetOutPath "$INSTDIR"
  File /r "${BUNDLE}/*"
  File "/oname=LICENSE.txt" "${LICENSE}"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortCut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\opencode-trayw.exe" "run"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\opencode-trayw.exe"
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The OpenCode Tray authors"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
SectionEnd

; What the user has made (settings, history) stays, as with `opencode-tray uninstall`.
Section "Uninstall"
  nsExec::Exec '"$INSTDIR\opencode-tray.exe" uninstall' ; the plugin and the entry that starts it at login
  Pop $0
  !insertmacro DeleteBundle
  Delete "$INSTDIR\LICENSE.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\${NAME}.lnk"
  DeleteRegKey HKCU "${UNINSTALL}"
SectionEnd
